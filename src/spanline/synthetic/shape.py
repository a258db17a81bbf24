"""The numbers that give the corpus its shape: how long its texts are, how hard its questions."""

from __future__ import annotations

NUM_PARAGRAPHS = (4, 5, 6)  # of an article, each as likely
LONG_SHARE = 0.035  # of the paragraphs: several sections in one context, longer than one feature
LONG_SECTIONS = 10
OPENING_SHARE = 0.15  # of the paragraphs begin with a sentence about the article's place

THREE_SUBJECTS_SHARE = 0.15  # of the sections; the others have two
SHARED_RELATIONS = {2: (1, 2), 3: (1,)}  # number of subjects -> relations stated of all of them, each as likely
SINGLE_RELATIONS = {2: (1, 2), 3: (1,)}  # number of subjects -> relations stated of one only, each as likely
TWICE_SHARE = 0.35  # of the subjects with a qualified fact have a second one, with another qualifier
DENIED_SHARE = 0.3  # of the sections deny a statement ...
CORRECTED_SHARE = 0.3  # ... and this share of those state the truth as well
CONTRAST_SHARE = 0.3  # of the sections begin with two subjects in one sentence
JOIN_SHARE = 0.5  # of the sentences state two facts
NAME_SHARE = 0.5  # of a subject's later sentences name it again, the others say "it" or the like

NUM_ANSWERABLE = 3  # questions of a paragraph
NUM_UNANSWERABLE = (1, 2, 2, 3, 3)  # each as likely
LONG_ANSWERABLE = 2
LONG_UNANSWERABLE = (1, 2)

FIRST_YEARS = (1750, 1895)  # of a subject; its other years follow within a century
MIDDLE_SHARE = 0.1  # of the place names have a middle part
RANGE_SHARE = 0.1  # of the counts are given as a range
