"""The relations that articles state and questions ask about, each with its phrasings by split.

`{s}` is the subject, `{a}` the value that is the answer, `{q}` a second value (the qualifier) that picks one of
several such facts: the year of a sale, say. Every statement begins with its subject, so that statements can be joined.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from spanline.synthetic.names import Split

Kind = Literal["company", "town", "river", "building", "person", "work", "contest"]
ValueType = Literal["year", "person", "place", "river", "count", "length", "height", "money", "goods", "material"]
Phrasings = dict[Split, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Relation:
    """One attribute of a kind of subject. A relation with a qualifier may hold several times for one subject."""

    name: str
    kind: Kind
    answer_type: ValueType
    qualifier_type: ValueType | None
    years: tuple[int, int]  # of the answer or qualifier, if it is a year: counted from the subject's first year
    statements: Phrasings
    questions: Phrasings


def _relation(
    name: str,
    answer_type: ValueType,
    statements: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]],
    questions: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]],
    *,
    qualifier_type: ValueType | None = None,
    years: tuple[int, int] = (0, 0),
) -> Relation:
    kind: Kind = name.partition(".")[0]  # type: ignore[assignment]
    splits: tuple[Split, ...] = ("train", "calibration", "validation")
    by_split = (dict(zip(splits, phrasings, strict=True)) for phrasings in (statements, questions))
    return Relation(name, kind, answer_type, qualifier_type, years, *by_split)


# For each relation: statements, then questions; in each of the two a line for train, calibration and validation.
RELATIONS: tuple[Relation, ...] = (
    # ---- companies
    _relation(
        "company.founded",
        "year",
        (
            ("{s} was founded in {a}", "{s} was established in {a}", "{s} opened for business in {a}"),
            ("{s} was formed in {a}", "{s} came into being in {a}"),
            ("{s} was set up in {a}", "{s} started trading in {a}"),
        ),
        (
            ("When was {s} founded?", "In what year was {s} established?", "What year did {s} open for business?"),
            ("In which year was {s} formed?", "When did {s} come into being?"),
            ("In which year was {s} set up?", "When did {s} start trading?"),
        ),
    ),
    _relation(
        "company.founder",
        "person",
        (
            ("{s} was founded by {a}", "{s} was established by {a}", "{s} was the creation of {a}"),
            ("{s} was formed by {a}", "{s} was begun by {a}"),
            ("{s} was set up by {a}", "{s} was started by {a}"),
        ),
        (
            ("Who founded {s}?", "Who established {s}?", "Who was the founder of {s}?"),
            ("Who formed {s}?", "By whom was {s} begun?"),
            ("Who set up {s}?", "Which person started {s}?"),
        ),
    ),
    _relation(
        "company.base",
        "place",
        (
            ("{s} has its head office in {a}", "{s} is based in {a}", "{s} has its headquarters in {a}"),
            ("{s} has its main office in {a}", "{s} is run from {a}"),
            ("{s} is headquartered in {a}", "{s} has its central offices in {a}"),
        ),
        (
            (
                "Where is {s} based?",
                "Where is the head office of {s}?",
                "In what town does {s} have its headquarters?",
            ),
            ("Where is the main office of {s}?", "From which town is {s} run?"),
            ("Where is {s} headquartered?", "In which town are the central offices of {s}?"),
        ),
    ),
    _relation(
        "company.product",
        "goods",
        (
            ("{s} makes {a}", "{s} is known for its {a}", "{s} produces {a}"),
            ("{s} turns out {a}", "{s} specialises in {a}"),
            ("{s} manufactures {a}", "{s} earns its money with {a}"),
        ),
        (
            ("What does {s} make?", "What is {s} known for?", "What does {s} produce?"),
            ("What does {s} turn out?", "What does {s} specialise in?"),
            ("What does {s} manufacture?", "Which goods does {s} sell?"),
        ),
    ),
    _relation(
        "company.buyer",
        "person",
        (
            ("{s} was sold to {a} in {q}", "{s} was bought by {a} in {q}", "{s} passed to a new owner, {a}, in {q}"),
            ("{s} was taken over by {a} in {q}", "{s} came into the hands of {a} in {q}"),
            ("{s} was acquired by {a} in {q}", "{s} was purchased by {a} in {q}"),
        ),
        (
            ("Who bought {s} in {q}?", "To whom was {s} sold in {q}?", "Who became the owner of {s} in {q}?"),
            ("Who took over {s} in {q}?", "Into whose hands did {s} come in {q}?"),
            ("Who acquired {s} in {q}?", "By whom was {s} purchased in {q}?"),
        ),
        qualifier_type="year",
        years=(8, 60),
    ),
    _relation(
        "company.staff",
        "count",
        (
            ("{s} employs {a} people", "{s} has {a} employees", "{s} has a staff of {a}"),
            ("{s} gives work to {a} people", "{s} has {a} people on its payroll"),
            ("{s} has a workforce of {a}", "{s} provides jobs for {a} people"),
        ),
        (
            (
                "How many people does {s} employ?",
                "How many employees does {s} have?",
                "How large is the staff of {s}?",
            ),
            ("How many people does {s} give work to?", "How many people are on the payroll of {s}?"),
            ("How large is the workforce of {s}?", "For how many people does {s} provide jobs?"),
        ),
    ),
    _relation(
        "company.closed",
        "year",
        (
            ("{s} closed in {a}", "{s} went out of business in {a}", "{s} stopped work in {a}"),
            ("{s} was wound up in {a}", "{s} came to an end in {a}"),
            ("{s} shut down in {a}", "{s} ceased trading in {a}"),
        ),
        (
            ("When did {s} close?", "In what year did {s} go out of business?", "What year did {s} stop work?"),
            ("In which year was {s} wound up?", "When did {s} come to an end?"),
            ("When did {s} shut down?", "In which year did {s} cease trading?"),
        ),
        years=(62, 99),
    ),
    # ---- towns
    _relation(
        "town.population",
        "count",
        (
            ("{s} has a population of {a}", "{s} has {a} inhabitants", "{s} is home to {a} people"),
            ("{s} counts {a} residents", "{s} houses {a} people"),
            ("{s} has {a} residents", "{s} is a town of {a} people"),
        ),
        (
            ("What is the population of {s}?", "How many inhabitants does {s} have?", "How many people live in {s}?"),
            ("How many residents does {s} count?", "How many people are housed in {s}?"),
            ("How many residents does {s} have?", "How many people are there in {s}?"),
        ),
    ),
    _relation(
        "town.river",
        "river",
        (
            ("{s} lies on {a}", "{s} stands on the banks of {a}", "{s} was built beside {a}"),
            ("{s} overlooks {a}", "{s} grew up along {a}"),
            ("{s} is situated on {a}", "{s} sits next to {a}"),
        ),
        (
            ("On which river does {s} lie?", "What river does {s} stand on?", "Beside what river was {s} built?"),
            ("Which river does {s} overlook?", "Along which river did {s} grow up?"),
            ("On which river is {s} situated?", "Which river flows past {s}?"),
        ),
    ),
    _relation(
        "town.mayor",
        "person",
        (
            (
                "{s} elected {a} as mayor in {q}",
                "{s} chose {a} as its mayor in {q}",
                "{s} got a new mayor, {a}, in {q}",
            ),
            ("{s} made {a} its mayor in {q}", "{s} voted in {a} as mayor in {q}"),
            ("{s} appointed {a} mayor in {q}", "{s} saw {a} become mayor in {q}"),
        ),
        (
            (
                "Who was elected mayor of {s} in {q}?",
                "Whom did {s} choose as its mayor in {q}?",
                "Who was the new mayor of {s} in {q}?",
            ),
            ("Who was made mayor of {s} in {q}?", "Who was voted in as mayor of {s} in {q}?"),
            ("Who was appointed mayor of {s} in {q}?", "Which person became mayor of {s} in {q}?"),
        ),
        qualifier_type="year",
        years=(10, 99),
    ),
    _relation(
        "town.charter",
        "year",
        (
            ("{s} received its charter in {a}", "{s} became a borough in {a}", "{s} gained town rights in {a}"),
            ("{s} was made a borough in {a}", "{s} got its charter in {a}"),
            ("{s} was granted a charter in {a}", "{s} was given town rights in {a}"),
        ),
        (
            (
                "When did {s} receive its charter?",
                "In what year did {s} become a borough?",
                "When did {s} gain town rights?",
            ),
            ("In which year was {s} made a borough?", "In which year did {s} get its charter?"),
            ("When was {s} granted a charter?", "In which year was {s} given town rights?"),
        ),
    ),
    _relation(
        "town.twin",
        "place",
        (
            ("{s} is twinned with {a}", "{s} has a twin town, {a}", "{s} has a partnership with {a}"),
            ("{s} is the sister town of {a}", "{s} keeps close ties with {a}"),
            ("{s} is paired with {a}", "{s} is a partner town of {a}"),
        ),
        (
            (
                "With what town is {s} twinned?",
                "What is the twin town of {s}?",
                "Which town has a partnership with {s}?",
            ),
            ("What is the sister town of {s}?", "With which town does {s} keep close ties?"),
            ("With which town is {s} paired?", "What is the partner town of {s}?"),
        ),
    ),
    _relation(
        "town.railway",
        "year",
        (
            ("{s} was reached by the railway in {a}", "{s} got its railway in {a}", "{s} has had trains since {a}"),
            ("{s} was linked to the railway in {a}", "{s} gained a railway station in {a}"),
            ("{s} was connected to the railway in {a}", "{s} saw its first train in {a}"),
        ),
        (
            (
                "When did the railway reach {s}?",
                "In what year did {s} get its railway?",
                "Since when has {s} had trains?",
            ),
            ("In which year was {s} linked to the railway?", "When did {s} gain a railway station?"),
            ("When was {s} connected to the railway?", "In which year did {s} see its first train?"),
        ),
        years=(75, 99),
    ),
    _relation(
        "town.library",
        "person",
        (
            ("{s} owes its library to {a}", "{s} was given a library by {a}", "{s} has a library paid for by {a}"),
            ("{s} has a library that {a} built", "{s} got its library from {a}"),
            ("{s} has a library donated by {a}", "{s} received a library from {a}"),
        ),
        (
            ("To whom does {s} owe its library?", "Who gave {s} a library?", "Who paid for the library of {s}?"),
            ("Who built the library of {s}?", "From whom did {s} get its library?"),
            ("Who donated the library in {s}?", "From which person did {s} receive a library?"),
        ),
    ),
    # ---- rivers
    _relation(
        "river.source",
        "place",
        (
            ("{s} rises near {a}", "{s} has its source near {a}", "{s} springs from the hills above {a}"),
            ("{s} wells up near {a}", "{s} comes from the high ground by {a}"),
            ("{s} begins near {a}", "{s} originates close to {a}"),
        ),
        (
            (
                "Where does {s} rise?",
                "Near what town does {s} have its source?",
                "From the hills above what town does {s} spring?",
            ),
            ("Near which town does {s} well up?", "From the high ground by which town does {s} come?"),
            ("Where does {s} begin?", "Close to which town does {s} originate?"),
        ),
    ),
    _relation(
        "river.mouth",
        "place",
        (
            ("{s} reaches the sea at {a}", "{s} has its mouth at {a}", "{s} flows into the sea near {a}"),
            ("{s} empties into the sea at {a}", "{s} ends its course at {a}"),
            ("{s} meets the sea at {a}", "{s} runs into the ocean near {a}"),
        ),
        (
            (
                "Where does {s} reach the sea?",
                "At what town is the mouth of {s}?",
                "Where does {s} flow into the sea?",
            ),
            ("Where does {s} empty into the sea?", "At which town does {s} end its course?"),
            ("Where does {s} meet the sea?", "Near which town does {s} run into the ocean?"),
        ),
    ),
    _relation(
        "river.length",
        "length",
        (
            ("{s} is {a} long", "{s} has a length of {a}", "{s} flows for {a}"),
            ("{s} covers {a}", "{s} has a course of {a}"),
            ("{s} runs for {a}", "{s} measures {a} in length"),
        ),
        (
            ("How long is {s}?", "What is the length of {s}?", "For how many kilometres does {s} flow?"),
            ("What distance does {s} cover?", "How long is the course of {s}?"),
            ("For how many kilometres does {s} run?", "What does {s} measure in length?"),
        ),
    ),
    _relation(
        "river.bridge",
        "year",
        (
            ("{s} was first bridged in {a}", "{s} got its first bridge in {a}", "{s} has had a bridge since {a}"),
            ("{s} was spanned by a bridge in {a}", "{s} gained a bridge in {a}"),
            ("{s} was crossed by a bridge in {a}", "{s} was given a bridge in {a}"),
        ),
        (
            (
                "When was {s} first bridged?",
                "In what year did {s} get its first bridge?",
                "Since when has {s} had a bridge?",
            ),
            ("In which year was {s} spanned by a bridge?", "When did {s} gain a bridge?"),
            ("When was {s} crossed by a bridge?", "In which year was {s} given a bridge?"),
        ),
        years=(0, 60),
    ),
    _relation(
        "river.survey",
        "person",
        (
            ("{s} was mapped by {a} in {q}", "{s} was surveyed by {a} in {q}", "{s} was explored by {a} in {q}"),
            ("{s} was measured by {a} in {q}", "{s} was studied by {a} in {q}"),
            ("{s} was charted by {a} in {q}", "{s} was investigated by {a} in {q}"),
        ),
        (
            ("Who mapped {s} in {q}?", "Who surveyed {s} in {q}?", "By whom was {s} explored in {q}?"),
            ("Who measured {s} in {q}?", "By whom was {s} studied in {q}?"),
            ("Who charted {s} in {q}?", "Which person investigated {s} in {q}?"),
        ),
        qualifier_type="year",
        years=(0, 99),
    ),
    _relation(
        "river.flood",
        "year",
        (
            ("{s} broke its banks in {a}", "{s} flooded the valley in {a}", "{s} caused a great flood in {a}"),
            ("{s} rose over its banks in {a}", "{s} drowned the fields in {a}"),
            ("{s} burst its banks in {a}", "{s} overflowed in {a}"),
        ),
        (
            (
                "When did {s} break its banks?",
                "In what year did {s} flood the valley?",
                "When did {s} cause a great flood?",
            ),
            ("In which year did {s} rise over its banks?", "When did {s} drown the fields?"),
            ("When did {s} burst its banks?", "In which year did {s} overflow?"),
        ),
        years=(0, 99),
    ),
    # ---- buildings
    _relation(
        "building.architect",
        "person",
        (
            ("{s} was designed by {a}", "{s} was planned by {a}", "{s} had {a} as its architect"),
            ("{s} was built to the plans of {a}", "{s} was drawn up by {a}"),
            ("{s} is the work of the architect {a}", "{s} was built after a design by {a}"),
        ),
        (
            ("Who designed {s}?", "Who planned {s}?", "Who was the architect of {s}?"),
            ("To whose plans was {s} built?", "Who drew up {s}?"),
            ("Which architect built {s}?", "Who made the design for {s}?"),
        ),
    ),
    _relation(
        "building.completed",
        "year",
        (
            ("{s} was completed in {a}", "{s} was finished in {a}", "{s} has stood since {a}"),
            ("{s} was ready in {a}", "{s} opened its doors in {a}"),
            ("{s} was constructed in {a}", "{s} was erected in {a}"),
        ),
        (
            ("When was {s} completed?", "In what year was {s} finished?", "Since when has {s} stood?"),
            ("In which year was {s} ready?", "When did {s} open its doors?"),
            ("When was {s} constructed?", "In which year was {s} erected?"),
        ),
    ),
    _relation(
        "building.cost",
        "money",
        (
            ("{s} cost {a}", "{s} was built for {a}", "{s} cost its owners {a}"),
            ("{s} swallowed {a}", "{s} came to {a}"),
            ("{s} required an outlay of {a}", "{s} was built at a price of {a}"),
        ),
        (
            ("How much did {s} cost?", "For how much was {s} built?", "What did {s} cost its owners?"),
            ("How much money did {s} swallow?", "To what sum did {s} come?"),
            ("How much money did {s} require?", "What was the price of {s}?"),
        ),
    ),
    _relation(
        "building.material",
        "material",
        (
            ("{s} is built of {a}", "{s} is made of {a}", "{s} has walls of {a}"),
            ("{s} is put together from {a}", "{s} has outer walls of {a}"),
            ("{s} is constructed from {a}", "{s} consists mainly of {a}"),
        ),
        (
            ("What is {s} built of?", "What is {s} made of?", "Of what material are the walls of {s}?"),
            ("From what is {s} put together?", "What are the outer walls of {s} made of?"),
            ("From what material is {s} constructed?", "What does {s} mainly consist of?"),
        ),
    ),
    _relation(
        "building.height",
        "height",
        (
            ("{s} is {a} high", "{s} has a height of {a}", "{s} rises to {a}"),
            ("{s} climbs to {a}", "{s} goes up to {a}"),
            ("{s} is {a} tall", "{s} reaches {a}"),
        ),
        (
            ("How high is {s}?", "What is the height of {s}?", "To what height does {s} rise?"),
            ("To what height does {s} climb?", "How high does {s} go up?"),
            ("How tall is {s}?", "What height does {s} reach?"),
        ),
    ),
    _relation(
        "building.restorer",
        "person",
        (
            ("{s} was restored by {a} in {q}", "{s} was rebuilt by {a} in {q}", "{s} was repaired by {a} in {q}"),
            ("{s} was modernised by {a} in {q}", "{s} was overhauled by {a} in {q}"),
            ("{s} was renovated by {a} in {q}", "{s} was reconstructed by {a} in {q}"),
        ),
        (
            ("Who restored {s} in {q}?", "Who rebuilt {s} in {q}?", "By whom was {s} repaired in {q}?"),
            ("Who modernised {s} in {q}?", "By whom was {s} overhauled in {q}?"),
            ("Who renovated {s} in {q}?", "Which person reconstructed {s} in {q}?"),
        ),
        qualifier_type="year",
        years=(10, 99),
    ),
    _relation(
        "building.fire",
        "year",
        (
            ("{s} was damaged by fire in {a}", "{s} caught fire in {a}", "{s} lost its roof to a fire in {a}"),
            ("{s} was in flames in {a}", "{s} was struck by a fire in {a}"),
            ("{s} burned in {a}", "{s} suffered a fire in {a}"),
        ),
        (
            (
                "When was {s} damaged by fire?",
                "In what year did {s} catch fire?",
                "When did {s} lose its roof to a fire?",
            ),
            ("In which year was {s} in flames?", "When was {s} struck by a fire?"),
            ("When did {s} burn?", "In which year did {s} suffer a fire?"),
        ),
        years=(5, 99),
    ),
    # ---- people
    _relation(
        "person.birthplace",
        "place",
        (
            ("{s} was born in {a}", "{s} was a native of {a}", "{s} came from {a}"),
            ("{s} came into the world in {a}", "{s} had {a} as birthplace"),
            ("{s} hailed from {a}", "{s} was born at {a}"),
        ),
        (
            ("Where was {s} born?", "What was the birthplace of {s}?", "Where did {s} come from?"),
            ("Where did {s} come into the world?", "Which town was the birthplace of {s}?"),
            ("Where did {s} hail from?", "In which town was {s} born?"),
        ),
    ),
    _relation(
        "person.teacher",
        "person",
        (
            ("{s} was taught by {a}", "{s} was a pupil of {a}", "{s} learned the trade from {a}"),
            ("{s} was schooled by {a}", "{s} was an apprentice of {a}"),
            ("{s} was trained by {a}", "{s} was a student of {a}"),
        ),
        (
            ("Who taught {s}?", "Whose pupil was {s}?", "From whom did {s} learn the trade?"),
            ("Who schooled {s}?", "Whose apprentice was {s}?"),
            ("Who trained {s}?", "Under whom did {s} study?"),
        ),
    ),
    _relation(
        "person.spouse",
        "person",
        (
            ("{s} married {a}", "{s} was married to {a}", "{s} had a happy marriage with {a}"),
            ("{s} took {a} in marriage", "{s} became engaged to {a}"),
            ("{s} wed {a}", "{s} shared married life with {a}"),
        ),
        (
            ("Whom did {s} marry?", "Who was married to {s}?", "With whom did {s} have a happy marriage?"),
            ("Whom did {s} take in marriage?", "To whom did {s} become engaged?"),
            ("Who wed {s}?", "With whom did {s} share married life?"),
        ),
    ),
    _relation(
        "person.moved",
        "place",
        (
            ("{s} moved to {a} in {q}", "{s} settled in {a} in {q}", "{s} went to live in {a} in {q}"),
            ("{s} took a house in {a} in {q}", "{s} made a home in {a} in {q}"),
            ("{s} relocated to {a} in {q}", "{s} took up residence in {a} in {q}"),
        ),
        (
            ("Where did {s} move in {q}?", "In what town did {s} settle in {q}?", "Where did {s} go to live in {q}?"),
            ("Where did {s} take a house in {q}?", "In which town did {s} make a home in {q}?"),
            ("Where did {s} relocate in {q}?", "In which town did {s} take up residence in {q}?"),
        ),
        qualifier_type="year",
        years=(18, 60),
    ),
    _relation(
        "person.died",
        "year",
        (
            ("{s} died in {a}", "{s} was buried in {a}", "{s} lived until {a}"),
            ("{s} was laid to rest in {a}", "{s} met death in {a}"),
            ("{s} passed away in {a}", "{s} was alive until {a}"),
        ),
        (
            ("When did {s} die?", "In what year was {s} buried?", "Until when did {s} live?"),
            ("In which year was {s} laid to rest?", "When did {s} meet death?"),
            ("When did {s} pass away?", "What was the year of the death of {s}?"),
        ),
        years=(64, 95),
    ),
    _relation(
        "person.born",
        "year",
        (
            ("{s} was born in {a}", "{s} began life in {a}", "{s} was baptised in {a}"),
            ("{s} first saw the light in {a}", "{s} was christened in {a}"),
            ("{s} was born in the year {a}", "{s} entered the world in {a}"),
        ),
        (
            ("When was {s} born?", "In what year did {s} begin life?", "When was {s} baptised?"),
            ("In which year did {s} first see the light?", "When was {s} christened?"),
            ("What was the year of the birth of {s}?", "When did {s} enter the world?"),
        ),
    ),
    _relation(
        "person.prize",
        "money",
        (
            ("{s} won a prize of {a}", "{s} was awarded {a}", "{s} received a grant of {a}"),
            ("{s} carried off a prize of {a}", "{s} was paid a reward of {a}"),
            ("{s} was honoured with {a}", "{s} gained an award of {a}"),
        ),
        (
            (
                "How large a prize did {s} win?",
                "How much money was {s} awarded?",
                "How much was the grant that {s} received?",
            ),
            ("How large a prize did {s} carry off?", "What reward was {s} paid?"),
            ("With how much money was {s} honoured?", "How much was the award that {s} gained?"),
        ),
    ),
    # ---- works of art
    _relation(
        "work.author",
        "person",
        (
            ("{s} was written by {a}", "{s} is a novel by {a}", "{s} came from the pen of {a}"),
            ("{s} was composed by {a}", "{s} is a book by {a}"),
            ("{s} was authored by {a}", "{s} is a story by {a}"),
        ),
        (
            ("Who wrote {s}?", "By whom is the novel {s}?", "From whose pen did {s} come?"),
            ("Who composed {s}?", "By whom is the book {s}?"),
            ("Who authored {s}?", "Who is the writer of {s}?"),
        ),
    ),
    _relation(
        "work.published",
        "year",
        (
            ("{s} was published in {a}", "{s} appeared in {a}", "{s} was first printed in {a}"),
            ("{s} was put on sale in {a}", "{s} reached the shops in {a}"),
            ("{s} came out in {a}", "{s} was released in {a}"),
        ),
        (
            ("When was {s} published?", "In what year did {s} appear?", "When was {s} first printed?"),
            ("In which year was {s} put on sale?", "When did {s} reach the shops?"),
            ("When did {s} come out?", "In which year was {s} released?"),
        ),
    ),
    _relation(
        "work.setting",
        "place",
        (
            ("{s} is set in {a}", "{s} takes place in {a}", "{s} tells of life in {a}"),
            ("{s} plays in {a}", "{s} has {a} as its scene"),
            ("{s} unfolds in {a}", "{s} is about a family in {a}"),
        ),
        (
            ("Where is {s} set?", "In what town does {s} take place?", "Of life in what town does {s} tell?"),
            ("Where does {s} play?", "Which town is the scene of {s}?"),
            ("Where does {s} unfold?", "In which town is the story of {s} set?"),
        ),
    ),
    _relation(
        "work.dedicatee",
        "person",
        (
            ("{s} is dedicated to {a}", "{s} was written for {a}", "{s} is addressed to {a}"),
            ("{s} was meant as a gift to {a}", "{s} was composed in memory of {a}"),
            ("{s} carries a dedication to {a}", "{s} was written in honour of {a}"),
        ),
        (
            ("To whom is {s} dedicated?", "For whom was {s} written?", "To whom is {s} addressed?"),
            ("To whom was {s} meant as a gift?", "In whose memory was {s} composed?"),
            ("Who is named in the dedication of {s}?", "In whose honour was {s} written?"),
        ),
    ),
    _relation(
        "work.staged",
        "place",
        (
            ("{s} was staged in {a} in {q}", "{s} was performed in {a} in {q}", "{s} was shown in {a} in {q}"),
            ("{s} was played in {a} in {q}", "{s} was given in {a} in {q}"),
            ("{s} was put on stage in {a} in {q}", "{s} was presented in {a} in {q}"),
        ),
        (
            ("Where was {s} staged in {q}?", "In what town was {s} performed in {q}?", "Where was {s} shown in {q}?"),
            ("Where was {s} played in {q}?", "In which town was {s} given in {q}?"),
            ("Where was {s} put on stage in {q}?", "In which town was {s} presented in {q}?"),
        ),
        qualifier_type="year",
        years=(3, 90),
    ),
    _relation(
        "work.manuscript",
        "person",
        (
            ("{s} was sold at auction to {a} for {q}", "{s} went to {a} for {q}", "{s} was handed to {a} for {q}"),
            ("{s} was auctioned to {a} for {q}", "{s} was knocked down to {a} for {q}"),
            ("{s} was bought by {a} for {q}", "{s} was purchased by {a} for {q}"),
        ),
        (
            ("Who bought {s} for {q}?", "Who paid {q} for {s}?", "To whom was {s} sold for {q}?"),
            ("To whom was {s} auctioned for {q}?", "To whom was {s} knocked down for {q}?"),
            ("Who spent {q} on {s}?", "By whom was {s} purchased for {q}?"),
        ),
        qualifier_type="money",
    ),
    # ---- contests
    _relation(
        "contest.first",
        "year",
        (
            ("{s} was first held in {a}", "{s} began in {a}", "{s} has been held since {a}"),
            ("{s} took place for the first time in {a}", "{s} had its first year in {a}"),
            ("{s} was launched in {a}", "{s} started in {a}"),
        ),
        (
            ("When was {s} first held?", "In what year did {s} begin?", "Since when has {s} been held?"),
            ("When did {s} take place for the first time?", "When did {s} have its first year?"),
            ("When was {s} launched?", "In which year did {s} start?"),
        ),
    ),
    _relation(
        "contest.venue",
        "place",
        (
            ("{s} takes place in {a}", "{s} is held in {a}", "{s} draws people to {a}"),
            ("{s} has its home in {a}", "{s} is staged in {a}"),
            ("{s} is hosted by {a}", "{s} happens each year in {a}"),
        ),
        (
            ("Where does {s} take place?", "Where is {s} held?", "To what town does {s} draw people?"),
            ("Where does {s} have its home?", "In which town is {s} staged?"),
            ("Which town hosts {s}?", "Where does {s} happen each year?"),
        ),
    ),
    _relation(
        "contest.winner",
        "person",
        (
            ("{s} was won by {a} in {q}", "{s} saw {a} win in {q}", "{s} had {a} as its winner in {q}"),
            ("{s} ended with a victory for {a} in {q}", "{s} crowned {a} in {q}"),
            ("{s} made {a} its champion in {q}", "{s} brought {a} a triumph in {q}"),
        ),
        (
            ("Who won {s} in {q}?", "Who was the winner of {s} in {q}?", "By whom was {s} won in {q}?"),
            ("For whom did {s} end with a victory in {q}?", "Who was crowned at {s} in {q}?"),
            ("Who was the champion of {s} in {q}?", "Who triumphed at {s} in {q}?"),
        ),
        qualifier_type="year",
        years=(1, 99),
    ),
    _relation(
        "contest.founder",
        "person",
        (
            ("{s} was founded by {a}", "{s} was started by {a}", "{s} was an idea of {a}"),
            ("{s} was called into life by {a}", "{s} was brought about by {a}"),
            ("{s} was created by {a}", "{s} was invented by {a}"),
        ),
        (
            ("Who founded {s}?", "Who started {s}?", "Whose idea was {s}?"),
            ("Who called {s} into life?", "By whom was {s} brought about?"),
            ("Who created {s}?", "Which person invented {s}?"),
        ),
    ),
    _relation(
        "contest.visitors",
        "count",
        (
            ("{s} attracts {a} visitors", "{s} is attended by {a} people", "{s} is watched by {a} people"),
            ("{s} entertains {a} guests", "{s} is seen by {a} people"),
            ("{s} brings in {a} spectators", "{s} is visited by {a} people"),
        ),
        (
            ("How many visitors does {s} attract?", "How many people attend {s}?", "How many people watch {s}?"),
            ("How many guests does {s} entertain?", "How many people see {s}?"),
            ("How many spectators does {s} bring in?", "How many people visit {s}?"),
        ),
    ),
    _relation(
        "contest.prize",
        "money",
        (
            ("{s} offers a prize of {a}", "{s} is worth {a} to the winner", "{s} pays {a} to the best"),
            ("{s} rewards the winner with {a}", "{s} gives away {a}"),
            ("{s} has prize money of {a}", "{s} awards {a}"),
        ),
        (
            (
                "How large a prize does {s} offer?",
                "How much is {s} worth to the winner?",
                "How much does {s} pay to the best?",
            ),
            ("With how much does {s} reward the winner?", "How much does {s} give away?"),
            ("How much prize money does {s} have?", "What sum does {s} award?"),
        ),
    ),
)

# How a subject is taken up again in the same paragraph.
PRONOUNS: dict[Kind, tuple[str, ...]] = {
    "company": ("it", "the company"),
    "town": ("it", "the town"),
    "river": ("it", "the river"),
    "building": ("it", "the building"),
    "person": (),  # she or he, by the given name
    "work": ("it", "the novel"),
    "contest": ("it", "the event"),
}

# A statement that is denied: `{f}` is a whole statement.
DENIALS: Phrasings = {
    "train": ("it is not true that {f}", "the claim that {f} is false", "older books say wrongly that {f}"),
    "calibration": ("the story that {f} has been disproved", "it is a mistake to think that {f}"),
    "validation": ("the belief that {f} is mistaken", "it is untrue that {f}"),
}

# A first sentence that names the article's place (`{t}`) and the kind of subject.
OPENINGS: dict[Kind, Phrasings] = {
    "company": {
        "train": ("Two companies from {t} are well known.", "Business in {t} has a long history."),
        "calibration": ("Several firms trade in {t}.",),
        "validation": ("The economy of {t} rests on a few employers.",),
    },
    "town": {
        "train": ("{t} has several neighbours.", "A number of towns surround {t}."),
        "calibration": ("More towns lie close to {t}.",),
        "validation": ("Other places in the district of {t} deserve a visit.",),
    },
    "river": {
        "train": ("The land around {t} is rich in water.", "Rivers cross the plain of {t}."),
        "calibration": ("Water has shaped {t}.",),
        "validation": ("The hills of {t} feed many streams.",),
    },
    "building": {
        "train": ("{t} has kept its old buildings.", "Visitors come to {t} for its architecture."),
        "calibration": ("The skyline of {t} is famous.",),
        "validation": ("Some monuments survive in {t}.",),
    },
    "person": {
        "train": ("Well-known people have lived in {t}.", "{t} is proud of its citizens."),
        "calibration": ("A few names belong to {t}.",),
        "validation": ("Notable residents are remembered in {t}.",),
    },
    "work": {
        "train": ("Books are read widely in {t}.", "{t} has a place in literature."),
        "calibration": ("Writers like {t}.",),
        "validation": ("Readers in {t} have their favourites.",),
    },
    "contest": {
        "train": ("The year in {t} is full of events.", "Sport is popular in {t}."),
        "calibration": ("People in {t} like to compete.",),
        "validation": ("The calendar of {t} has its high points.",),
    },
}
