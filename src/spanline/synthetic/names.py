"""The words that names and values are made of, by split: no stem, ending or list entry is in two splits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Split = Literal["train", "calibration", "validation"]


@dataclass(frozen=True, slots=True)
class Inventory:
    """What one split builds its names from. A place is stem + middles + ending; a surname is stem + ending.

    No place stem is the start of another (of any split), nor a middle or ending of another middle or ending of its
    split: a place name can be taken apart in one way only, so different parts make different names.
    """

    place_stems: tuple[str, ...]
    place_middles: tuple[str, ...]
    place_endings: tuple[str, ...]
    women: tuple[str, ...]  # given names
    men: tuple[str, ...]
    surname_stems: tuple[str, ...]
    surname_endings: tuple[str, ...]
    firms: tuple[str, ...]  # what follows the place name in a company's name
    buildings: tuple[str, ...]
    contests: tuple[str, ...]
    work_adjectives: tuple[str, ...]
    work_nouns: tuple[str, ...]
    goods: tuple[str, ...]
    materials: tuple[str, ...]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _phrases(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


INVENTORIES: dict[Split, Inventory] = {
    "train": Inventory(
        place_stems=_words(
            "Ash Black Bram Cald Crow Dray Elm Fen Gold Hart Hazel Kel Lark Long Marl Mill Nor Oak Pen Quill Raven Red"
            " Salt Shel Stan Thorn Tor Under Wal Wind Wood Yar Brück Môr Led Chat"
        ),
        place_middles=_words("er ing le ar ol ix un ev ra ri ka ga ya ve ze jo pi lu ge"),
        place_endings=_words("ford wick ton ham by stead mouth dale bury worth combe ness"),
        women=_words("Anna Clara Edith Grace Helen Irene Julia Laura Maria Nora Paula Rosa Sarah Emma Zoë Inés"),
        men=_words("Adam Carl David Eric Frank George Henry Jacob Martin Oscar Peter Robert Simon Victor René Jürgen"),
        surname_stems=_words(
            "Ab Bar Cos Del Fer Gar Hol Jan Kov Lam Mor Nie Pas Rad Sal Tan Var Wes Zim Dör Bru Car Fal Gre"
        ),
        surname_endings=_words("ani berg ev ic kin ko mann ova sen ski tti ez"),
        firms=("Mills", "Works", "Brothers", "Motors", "Trading"),
        buildings=("Hall", "Castle", "Abbey", "Manor", "Tower"),
        contests=("Cup", "Festival", "Fair", "Regatta"),
        work_adjectives=_words("Silent Golden Broken Distant Crimson Hidden Frozen Wild Bitter Last"),
        work_nouns=_words("Garden Letter Harbour Mirror River Winter Shepherd Bell Forest Window"),
        goods=_phrases(
            "glass,rope,clocks,paper,bicycles,boots,carpets,soap,tea,pottery,silk,nails,cheese,tiles,pianos,salt,"
            "fishing nets,steam engines,woollen cloth,hand tools"
        ),
        materials=_phrases("granite,brick,limestone,oak,concrete,slate,red sandstone,marble,iron,flint"),
    ),
    "calibration": Inventory(
        place_stems=_words(
            "Alder Birch Copp Dun East Fox Glen Heath Iron Jun Kings Lin Moss Nettle Otter Pear Rush Silver Swan Tam"
            " Ulver Vine West Xan Zell Göss Cray Hop Wyk Thist"
        ),
        place_middles=_words("er ing lo ar ol ix un ev ra ri ka ha ya ve ze jo to ne te"),
        place_endings=_words("field ley bridge pool stow gate mere burgh den sand"),
        women=_words("Alice Diana Elena Judith Lucy Monica Olivia Ruth Teresa Chloé"),
        men=_words("Albert Bruno Charles Daniel Edgar Hugo Leonard Patrick Samuel Søren"),
        surname_stems=_words("Ald Bec Cor Dom Ester Fon Gil Hax Kes Lor Mad Nev Oss Pet Ros Sol Tur Vas Wol Pél"),
        surname_endings=_words("ard elli idge mond oux quist ridge well"),
        firms=("Foods", "Steel", "Partners", "Textiles"),
        buildings=("House", "Priory", "Palace", "Chapel"),
        contests=("Games", "Marathon", "Derby"),
        work_adjectives=_words("Burning Empty Gentle Lonely Scarlet Second Ancient"),
        work_nouns=_words("Bridge Candle Island Journey Mountain Sparrow Throne"),
        goods=_phrases("bread,furniture,candles,gloves,cameras,wine,leather,cement,toys,farm machines"),
        materials=_phrases("basalt,timber,steel,sandstone,chalk,yellow brick"),
    ),
    "validation": Inventory(
        place_stems=_words(
            "Amber Bex Clay Deep Ebb Fair Grey Holm Ingle Jess Knap Mead Nun Orch Plum Rye Stone Till Vel White Wren"
            " Yew Zeal Bøl Sées Cam Lamb Hunt Port Broad"
        ),
        place_middles=_words("er ing le ar ol ix un ev ra ri ka ga ya ve ze jo pi lu ne"),
        place_endings=_words("brook cote well shaw minster thorpe haven croft moor hurst cliff"),
        women=_words("Agnes Beatrice Caroline Dorothy Eva Flora Jane Kate Margaret Sophie Hélène"),
        men=_words("Arthur Benjamin Edward Felix Gustav Isaac James Leo Philip Thomas Björn"),
        surname_stems=_words("Arn Bal Cal Dar Eng Fis Gal Hor Kar Lev Mil Nol Ost Par Rei Sand Tol Ver Win Løv"),
        surname_endings=_words("as dale ecki father hart ini low nell ström"),
        firms=("Foundry", "Holdings", "Electric", "Breweries"),
        buildings=("Court", "Cathedral", "Lodge", "Theatre"),
        contests=("Trophy", "Carnival", "Rally"),
        work_adjectives=_words("Blue Endless Fallen Secret Quiet Northern Seventh"),
        work_nouns=_words("Orchard Tide Lantern Soldier Valley Daughter Clock"),
        goods=_phrases("chocolate,guns,lace,barrels,watches,sugar,beer,radios,printed cotton,ships"),
        materials=_phrases("stone,copper,bronze,white marble,wood,grey granite"),
    ),
}
