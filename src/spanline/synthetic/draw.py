"""Draws the names and values of one article from its split's inventory."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TypeVar

from spanline.synthetic.names import INVENTORIES, Split
from spanline.synthetic.relations import ValueType
from spanline.synthetic.shape import FIRST_YEARS, MIDDLE_SHARE, RANGE_SHARE

T = TypeVar("T")


class Draw:
    """A stream of names and values. Between two calls of `forget`, no two of them are or share a name."""

    def __init__(self, split: Split, seed: str) -> None:
        self.random = Random(seed).random  # a text seed is hashed by SHA-512: the same in every process
        self._names = INVENTORIES[split]
        self._used: set[str] = set()
        self._by_type = {
            "person": self.person,
            "place": self.place,
            "river": self.river,
            "count": self._count,
            "length": self._length,
            "height": self._height,
            "money": self._money,
            "goods": self._goods,
            "material": self._material,
        }

    def forget(self) -> None:
        """Start a new context: names may come again."""
        self._used.clear()

    def chance(self, share: float) -> bool:
        return self.random() < share

    def pick(self, items: Sequence[T]) -> T:
        return items[int(self.random() * len(items))]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """The items in random order. (Sorting by a random key is several times faster than `Random.shuffle`.)"""
        random = self.random
        return [items[i] for _, i in sorted([(random(), i) for i in range(len(items))])]

    def value(self, value_type: ValueType, first_year: int, years: tuple[int, int]) -> str:
        """A new value; a year lies `years` after `first_year`, or a little later if those are taken."""
        return self.year(first_year, years) if value_type == "year" else self._by_type[value_type]()

    def first_year(self) -> int:
        low, high = FIRST_YEARS
        return low + int(self.random() * (high - low + 1))

    def year(self, first_year: int, years: tuple[int, int]) -> str:
        low, high = years
        year = first_year + low + int(self.random() * (high - low + 1))
        while str(year) in self._used:
            year += 1
        self._used.add(str(year))
        return str(year)

    def place(self) -> str:
        names, pick = self._names, self.pick
        while True:
            middle = pick(names.place_middles) if self.random() < MIDDLE_SHARE else ""
            name = pick(names.place_stems) + middle + pick(names.place_endings)
            if name not in self._used:
                self._used.add(name)
                return name

    def river(self) -> str:
        return f"the River {self.place()}"

    def company(self) -> str:
        return f"{self.place()} {self.pick(self._names.firms)}"

    def building(self) -> str:
        return f"{self.place()} {self.pick(self._names.buildings)}"

    def contest(self) -> str:
        return f"the {self.place()} {self.pick(self._names.contests)}"

    def person(self) -> str:
        return self.man() if self.random() < 0.5 else self.woman()

    def man(self) -> str:
        return f"{self._new(self._names.men)} {self._surname()}"

    def woman(self) -> str:
        return f"{self._new(self._names.women)} {self._surname()}"

    def work(self) -> str:
        return f"The {self.pick(self._names.work_adjectives)} {self._new(self._names.work_nouns)}"

    def _new(self, items: Sequence[str]) -> str:
        """One that this context does not have yet, as long as there are such."""
        for _ in items:
            item = self.pick(items)
            if item not in self._used:
                break
        self._used.add(item)
        return item

    def _surname(self) -> str:
        while True:
            name = self.pick(self._names.surname_stems) + self.pick(self._names.surname_endings)
            if name not in self._used:
                self._used.add(name)
                return name

    def _count(self) -> str:
        hundreds = 2 + int(self.random() * 97)
        if self.random() < RANGE_SHARE:
            return f"{hundreds * 100:,}\N{EN DASH}{(hundreds + 2) * 100:,}"
        return f"{hundreds}0" if self.random() < 0.5 else f"{hundreds},{int(self.random() * 10)}00"

    def _length(self) -> str:
        return f"{12 + int(self.random() * 388)} km"

    def _height(self) -> str:
        return f"{11 + int(self.random() * 88)} metres"

    def _money(self) -> str:
        amount = 2 + int(self.random() * 97)
        return f"£{amount} million" if self.random() < 0.3 else f"£{amount * 100:,}"

    def _goods(self) -> str:
        return self._new(self._names.goods)

    def _material(self) -> str:
        return self._new(self._names.materials)
