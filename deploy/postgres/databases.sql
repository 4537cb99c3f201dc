-- Two databases, so that one can be restored without the other: the ledger is the truth about money, Prefect's is not.
CREATE DATABASE ledger;
CREATE DATABASE prefect;
