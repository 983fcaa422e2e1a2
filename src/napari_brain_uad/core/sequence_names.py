"""Which MRI sequence a free name speaks of: a file's stem, a SeriesDescription, a ProtocolName, a folder.

Two tables do it. `_WORDS` says which words mean what, whoever wrote them (Siemens, GE, Philips, Canon, public data sets, German,
French, Spanish, Italian, Portuguese protocols); `_DECISIONS` says, in order, what a set of meanings amounts to. What is not clear
stays unknown: a wrong sequence costs more than none.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

_SEQUENCE = r"(?:(?:t2 ?)?flair|t[12](?:w|wi|ce|c|gd|n)?|pdw?|mprage|mp2rage)"

_TARGETS = tuple(
    (re.compile(pattern), kept)
    for pattern, kept in (
        # "T1 to T2", "T2toT1", "flair2t1", "T1 in FLAIR space": what it was brought to is not what it is.
        # The 2 of "T1 Gd T2 FLAIR" means T2, not "to".
        (rf"\b({_SEQUENCE})[a-z ]{{0,24}}? ?(?:to|(?<!\bt)2|in|on|onto|reg\w*) ?{_SEQUENCE}\b(?: ?(?:space|grid))?", r"\1"),
        (rf"\b(?:co)?reg(?:istered|istration)? ?(?:to|2|on|with)? ?{_SEQUENCE}\b", " registered "),
        (rf"\b(?:to|in|onto|like|aligned|resampled|resliced) ?{_SEQUENCE}\b(?: ?(?:space|grid))?", " registered "),
    )
)
"""Sequences that are only what the image was registered to, and what is put in their place."""

_ENTITY = re.compile(
    r"(?<![A-Za-z0-9])(?:sub|ses|acq|ce|rec|run|space|desc|part|echo|flip|res|den|label|task|dir|chunk|mod)-[A-Za-z0-9]+(?=_|$)"
)
"""BIDS entities inside a name that is not quite BIDS: ``space-T1w`` says nothing of the sequence."""

_TECHNIQUE = (
    "3d|2d|f?se|tse|frfse|ffe|tfe|gre|flair|f?spgr|mprage|mpr|mp2rage|space|spc|cube|vibe|bravo|ir|vista|fl[23]d|flash|fs|tirm"
    "|propeller|blade|brainview|fast|iso"
)
_BEFORE = r"(?:(?<![a-z0-9])|(?<=\b3d)|(?<=\b2d)|(?<=ax)|(?<=sag)|(?<=cor)|(?<=tra)|(?<=\b[eosvrw](?=t[12]w)))"
_T1, _T2 = (rf"{_BEFORE}t{digit}(?:w(?:i|t|ks|eighted)?{extra})?" for digit, extra in ((1, "|n"), (2, "")))
_AFTER = rf"(?:(?![a-z0-9])|(?=(?:{_TECHNIQUE})))"
_AGENT = r"(?:c|ce|gd|gad\w*|km|post\w*|contrast\w*|ks|mdc|civ)"
_WITHOUT, _WITH = r"(?:pr(?:e|a|ae)|nativ\w*|ohne|without|sans|sin|senza)", r"(?:post|mit|with|avec|con|nach|after)"
_AND = r"(?: (?:and|und|u|et|y|e|plus|n)| ?\+)"
_BRANDS = (
    "dotarem|magnevist|multihance|prohance|omniscan|clariscan|vueway|elucirem|primovist|eovist|vasovist|ablavar|artirem|dotagraf|cyclolux"
)
_GIVEN = rf"(?:c|ce|cte|gd|gad\w*|km|mdc|civ|inj\w*|[ck]ontrast\w*|enh\w*|{_BRANDS})"
_OTHER_THAN_AGENT = r"(?!(?:fs|fat\w*|f?sat|mtc?|spa?ir|spectral|supp\w*)\b)"
_NOT_CONTRAST = r"(?! ?(?:op\w*|surg\w*|treat\w*|proc\w*|rt|radio\w*|chemo\w*|mortem|therapy|trauma\w*|stroke|resection))"

_WORDS: tuple[tuple[str, str], ...] = (
    # Not an image of one weighting: masks and results, maps, mixtures.
    ("other", r"\b\w*masks?\d*\b|\b[ad]?seg\w*|\bparc\w*|\blabels?\b|\broi\w*|\bprob\w*|\bpve\b|\bgt\b|\w*truth\b|\bannot\w*"),
    ("other", r"\b(?:lesions?|tumou?rs?)\b(?!.*(?:t1|t2|flair|pd))"),
    ("other", r"\w*maps?\b|\bmapping\b|\bratio\b|\bdivided\b|\bminus\b|\bdiff\w*|\bsubtract\w*|\bxfm\b|\bdeform\w*|\bjacobian\b"),
    ("other", r"\bt[12] ?rho\b|\bq ?t[12]\b|\br[12] ?star\w*|\br[12]\b|\bc[1-6] ?t1\b|\b(?:gm|wm|csf)\b|mp2rage.*\bt1(?! ?w)"),
    # Other contrasts: diffusion, perfusion, function, vessels, susceptibility, inversions that null something else.
    ("other", r"\w*d[wt]i\b|\badc\b|\bisoadc\b|\btrace\w*|\bfa\b|\bapparent\b|\bb ?(?:0|\d{3,4})\b|\w*ep2d\w*|\bepi\b"),
    (
        "other",
        r"\bperf\w*|\bds[c]\b|\bdce\b|\bp?c?asl\b|\br?cb[vf]\b|\bmtt\b|\bttp\b|\w*bold\b|\w*fmri\b|\bsbref\b|\bmrs\b|\bspectro\w*|\bsvs\b",
    ),
    (
        "other",
        r"\btof\b|\bmr[av]\b|\bangio\w*|(?<!ac )\bpc\b|\bm(?:in)?ips?\b|\bswi\w*|\bswan\w*|\bqsm\b|\bh[a]?emo\b|\bsuscept\w*",
    ),
    (
        "other",
        r"(?:t2|flair) ?star\w*|\bdir\b|\bpsir\b|\bstir\b|\bmt[cr]?\b|\bnm\b|\bfiesta\b|\bciss\b|\btrufi\w*|\bb ?[tf]fe\b",
    ),
    ("other", r"\binv(?:ert\w*|erse\w*)? ?[123]?\b(?! rec)"),
    ("other", r"\bdual\b|\bdouble\b|\bt2 de\b|\bde tse\b|\bssfp\b|\bmerge\b|\bmedic\b|\bphase\b|\breal\b|\bimaginary\b|\bmagnitude\d*\b"),
    ("other", r"\bloc\w*|\bscout\b|\bsurvey\w*|\bcalib\w*|\btopogram\b|\bfield ?map\w*|\bfmap\w*|\bct\b|\bpet\b|\bsynth\w*"),
    ("other", r"\bsy ?mri\b|\bmsme\b|\bmdme\b|(?<= )sub$"),
    # Weightings.
    ("t1 flair", r"\b(?:[a-z]{1,4} ?)?t1(?:w|wi)?\b[a-z0-9 ]*?(?:flair|dark ?fl\w*|da ?fl\b|\btirm\b)|t1(?:w|wi)?flair"),
    ("flair", r"\w*flair\w*|(?<![a-z0-9])t2f(?![a-z0-9])|\bdark ?fl\w*|\bda ?fl\b|\btirm\b|\bfluid ?att\w*"),
    ("t1", rf"{_T1}{_AFTER}|{_T1}(?={_AGENT}(?![a-z0-9])|\+)|(?<![a-z0-9])ct1w?(?![a-z0-9])"),
    ("t1", r"\w*mp ?rage\w*|\bmp2rage\b|\w*spgr\b|\bbravo\b|\bvibe\b|\btfl(?:3d)?\b|\btfe\d?\b|\bunit1\b"),
    ("mpr", r"\bmpr\d*\b(?! ?range)"),
    ("t2", rf"{_T2}{_AFTER}"),
    ("gradient", r"\bf?gre\b|\b\w*ffe\w*|\bfl[23]d\b|\bflash\b|\bfe(?:[23]d)?\b"),
    ("pd", r"\bpdwi?\b(?! ?\d)|\bproton ?density\b|(?<=[a-z0-9] )pd\b(?! ?\d)"),
    ("pd", r"^pd(?= ?(?:ax|sag|cor|tra|tse|f?se|fs|spc|space|blade|cube|[23]d|t2|\+|$))"),
    # Contrast agent: given, not given, or said in a way that could be somebody's initials.
    ("both", rf"\b{_WITHOUT}(?: {_AGENT})?(?: {_AGENT}| ?\+ ?{_AGENT}|) ?\+|\bpost pre\b(?! ?op)|\bs ?c c ?c\b"),
    ("native", r"\bs c(?:te|ontr\w*)?\b"),
    ("native", r"\bpr(?:e|a|ae)(?! ?op)(?: ?(?:gd|gad\w*|km|contrast\w*|c))?\b"),
    ("native", r"\bnon? ?(?:contrast\w*|gad\w*|gd|km|enh\w*|ce?)\b|\bunenh\w*|\bnativ\w*"),
    ("native", r"\b(?:contrast\w*|kontrast\w*|agent|km|gd|gad\w*) ?:? ?(?:no|none|nein|non|off|neg\w*)\b"),
    ("both", r"\bw(?:ith)? (?:and )?(?:w ?o|without)\b|\+-"),
    ("both", rf"\b{_WITHOUT}(?: {_AGENT})?{_AND}? {_WITH}\b|\b{_WITHOUT}{_AND} {_AGENT}\b"),
    ("native", r"\b(?:without|w ?o|ohne|sans|sin|senza|sem|vor|avant|before)\b"),
    ("contrast", rf"{_T1}{_AGENT}(?![a-z0-9])|{_T1}\+{_OTHER_THAN_AGENT}|(?<![a-z0-9])c ?t1w?\b"),
    ("contrast", r"(?<!\+)\+$|\+ ?c\b|\b(?:c|ce|gd|gad|km) ?\+|\bgado\w*|\bgadav\w*"),
    ("contrast", rf"\b(?:{_BRANDS})\b|\bgd ?(?:dtpa|dota|bopta|eob|bt|do3a)\b|\bcte\b|\binj\b|\bc c\b"),
    ("contrast", r"(?<!non )(?<!no )\b(?:post)?(?:contrast\w*|kontrast\w*)|\binject\w*|\benhanced\b|\bmdc\b|\bciv\b|^ce(?= t1)"),
    ("contrast", rf"\bpos(?:t(?:gd|gad\w*|km|c)?)?\b{_NOT_CONTRAST}|\bnach\b"),
    ("contrast", r"(?:(?<=[a-z0-9+] )|(?<=\+))(?:gd|km|gad|cm|ce|c)\b(?! ?\d)"),
    ("initials", r"^(?:gd|km|gad|cm)(?= t1)"),
)

_DECISIONS: tuple[tuple[frozenset[str], str | None], ...] = tuple(
    (frozenset(needed), sequence)
    for needed, sequence in (
        ({"other"}, None),
        ({"t2", "gradient"}, None),
        ({"t1", "both"}, None),
        ({"t1 flair", "both"}, None),
        ({"mpr", "both"}, None),
        ({"t1", "initials"}, None),
        ({"t2", "pd"}, None),
        ({"t1 flair", "t2"}, None),
        ({"t1 flair", "native"}, "T1"),
        ({"t1 flair", "contrast"}, "T1c"),
        ({"t1 flair"}, "T1"),
        ({"t1", "flair"}, None),
        ({"t1", "t2"}, None),
        ({"flair"}, "FLAIR"),
        ({"t1", "native"}, "T1"),
        ({"t1", "contrast"}, "T1c"),
        ({"t1"}, "T1"),
        ({"t2"}, "T2"),
        ({"pd"}, "PD"),
        ({"mpr", "native"}, "T1"),
        ({"mpr", "contrast"}, "T1c"),
        ({"mpr"}, "T1"),
    )
)
"""The first whose meanings are all there counts."""

_COMPILED = tuple((meaning, re.compile(pattern)) for meaning, pattern in _WORDS)


@dataclass(frozen=True)
class NameReading:
    """What a name says.

    Parameters
    ----------
    sequence : str or None
        "FLAIR", "T1", "T1c", "T2", "PD", or None when the name does not tell.
    words : str
        The words that decided, in small letters; empty when there are none.
    meanings : str
        What they mean ("t1, contrast"), for names of which no word may be shown: free text may name the patient.
    other : bool
        Whether the name speaks of something that is none of the sequences: a mask, a map, diffusion, ...
    contrast : bool or None
        Whether it says that a contrast agent was given, or was not; None when it says neither.
    """

    sequence: str | None
    words: str = ""
    meanings: str = ""
    other: bool = False
    contrast: bool | None = None


def read_name(name: str) -> NameReading:
    """Which sequence a name speaks of.

    Parameters
    ----------
    name : str
        A file's stem, or a protocol's name.

    Returns
    -------
    NameReading
    """
    text = _plain(name)
    found: dict[str, str] = {}
    for meaning, pattern in _COMPILED:
        match = None if meaning in found else pattern.search(text)
        if match is not None:
            found[meaning] = match.group().strip()
    contrast = False if "native" in found else (True if "contrast" in found else None)
    for needed, sequence in _DECISIONS:
        if needed <= found.keys():
            meanings = [meaning for _, meaning in sorted((text.find(found[one]), one) for one in needed)]
            said = dict.fromkeys(found[meaning] for meaning in meanings)
            # "t1c" means both T1 and contrast agent: said once, not as "t1c t1".
            words = " ".join(word for word in said if not any(word != other and word in other for other in said))
            return NameReading(sequence, words, ", ".join(meanings), "other" in needed, contrast)
    return NameReading(None, contrast=contrast)


def _plain(name: str) -> str:
    """Small letters and digits with single spaces between words, "+" and ":" kept; what was only registered to is taken out."""
    text = "".join(letter for letter in unicodedata.normalize("NFKD", name) if not unicodedata.combining(letter))
    text = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", _ENTITY.sub(" ", text)).lower()
    text = re.sub(r"(t2|flair)w? ?\*", r"\1star", text)
    text = re.sub(r"\+ ?[/|_]? ?-(?![a-z0-9])|\u00b1", " +- ", text)  # with or without
    text = re.sub(r"[\u2010-\u2015\u2212]", "-", text)
    text = re.sub(rf"(t1\w*(?:[ +]+{_AGENT})?) ?- ?(?=t1)", r"\1 minus ", text)  # "T1Gd - T1"
    text = re.sub(rf"(?<![a-z0-9+]){_GIVEN}(?:-| ?[:=] ?-| ?\(-\))(?![a-z0-9])", " without ", text)  # "T1 C-", "Gd (-)"
    text = re.sub(rf"(?<![a-z0-9+])(?:{_GIVEN} |post[ _]*)-[ _]*$", " +- ", text)  # "T1 C -", "T1 POST-": a minus, or the rest of something
    text = re.sub(
        r"(?<![a-z0-9])(p|i|acc|grappa|sense)[ _]?(\d)[ _]?\+[ _]*$", r" \1\2 +- ", text
    )  # "T1 p2+": of the acceleration, or given
    # "T1 -Gd", "T1-C": a minus, or a hyphen.
    text = re.sub(rf"(?<![a-z0-9+) ])-(?={_GIVEN}(?![a-z0-9]))|(?<= )- ?(?={_GIVEN}(?![a-z0-9+]))", " +- ", text)
    text = re.sub(r"(?<=[a-z0-9])(?<!post)(?<!pre)(?<!with)(?<!out)(?<!no)(?<!non)-(?=c(?![a-z0-9+]))", " +- ", text)
    text = re.sub(r"(?<!\+)-|[^a-z0-9+:-]+", " ", text).strip()
    for pattern, kept in _TARGETS:
        text = pattern.sub(kept, text)
    return re.sub(r" +", " ", text).strip()
