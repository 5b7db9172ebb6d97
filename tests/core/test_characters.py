"""What a file or a terminal must not be given is made visible, and nothing else is touched."""

import json
import sys
import unicodedata
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from inscape.core.characters import REPLACEMENT, storable, visible, visible_json

EVERY = [chr(code) for code in range(sys.maxunicode + 1)]


def test_storable_is_what_an_xml_parser_takes():
    for code in (*range(0x100), 0x2028, 0x200E, 0xD800, 0xDFFF, 0xFFFE, 0xFFFF, 0x1FFFF):
        kept = storable(chr(code)) == chr(code)
        try:
            ElementTree.fromstring(f"<a>{chr(code)}</a>".replace("&", "").replace("<<", "<"))
            parsed = True
        except (ElementTree.ParseError, UnicodeEncodeError):
            parsed = False
        assert kept == parsed or chr(code) in "<&", hex(code)
    assert storable("two\x0blines") == f"two{REPLACEMENT}lines"


def test_nothing_storable_turns_the_direction_of_other_text():
    turned = [c for c in EVERY if unicodedata.bidirectional(c) in BIDI]
    assert len(turned) == 9
    assert set(storable("".join(turned))) == {REPLACEMENT}
    letters = [c for c in EVERY if unicodedata.category(c)[0] in "LMNPS"]
    assert storable("".join(letters)) == "".join(letters)
    assert storable("\u200fשלום\u200e 1") == "\u200fשלום\u200e 1"  # marks that such text needs


def test_no_control_or_mark_of_direction_is_left_and_letters_are():
    shown = visible("".join(EVERY))
    left = {unicodedata.category(c) for c in shown if c not in "\n\t"}
    assert not left & {"Cc", "Cs", "Zl", "Zp"}
    assert not [c for c in shown if unicodedata.bidirectional(c) in BIDI]
    kept = {c for c in EVERY if unicodedata.category(c)[0] in "LMNPS"}
    assert kept <= set(shown)


BIDI = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")


@given(st.text(st.characters(codec=None)))
def test_json_reads_the_same_value(text):
    once = json.dumps(text, ensure_ascii=False)
    shown = visible_json(once)
    assert json.loads(shown) == json.loads(once) == text
    assert visible(shown) == shown
    assert visible(visible(text)) == visible(text)
