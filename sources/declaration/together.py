"""Rules for sellers of files with each other and with those that ship: unique names, one owner a table."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from sources.declaration.read import Declaration
from sources.model import Dataset, Seller


def check_together(declarations: Sequence[Declaration], shipped: Sequence[Seller], feeds: Collection[str]) -> None:
    """Raise DeclarationFault for a dataset, table or feed that is somebody else's, or a repairer that nobody sells."""
    replaced = {declaration.seller.name for declaration in declarations}
    others = [dataset for seller in shipped if seller.name not in replaced for dataset in seller.datasets]
    names = {dataset.name: dataset for dataset in others}
    tables = {dataset.table: dataset.seller for dataset in others}
    taken = set(feeds)
    for declaration in declarations:
        for dataset in declaration.seller.datasets:
            path = ("datasets", dataset.name)
            if dataset.name in names:
                what = f"is also a dataset of {names[dataset.name].seller}"
                raise declaration.wrong(path, what, f"call it {declaration.seller.name}-{dataset.name}")
            if tables.setdefault(dataset.table, dataset.seller) != dataset.seller:
                what = f"is {dataset.table!r}, a table of {tables[dataset.table]}"
                raise declaration.wrong((*path, "table"), what, f"call it {declaration.seller.name}_{dataset.table}")
            names[dataset.name] = dataset
        _check_repairs(declaration)
        for feed in declaration.feeds:
            if feed.name in taken or feed.name in names:
                raise declaration.wrong(
                    ("feeds", feed.name), "is the name of another feed or dataset", "call it otherwise"
                )
            taken.add(feed.name)


def _check_repairs(declaration: Declaration) -> None:
    sold = {dataset.name: dataset for dataset in declaration.seller.datasets}
    for dataset, repairer in _repaired(declaration):
        path = ("datasets", dataset.name, "repaired_by")
        if repairer not in sold or repairer == dataset.name:
            known = ", ".join(name for name in sold if name != dataset.name) or "none"
            raise declaration.wrong(
                path, f"names {repairer!r}, which this seller doesn't sell", f"it sells, too: {known}"
            )
        if sold[repairer].table != dataset.table:
            what = f"names {repairer!r}, which fills the table {sold[repairer].table}"
            raise declaration.wrong(path, what, f'what repairs it fills the same: table = "{dataset.table}"')


def _repaired(declaration: Declaration) -> Iterator[tuple[Dataset, str]]:
    for dataset in declaration.seller.datasets:
        if dataset.repaired_by is not None:
            yield dataset, dataset.repaired_by
