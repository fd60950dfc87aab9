"""The Guide: its sections, pictures and search."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from dashboard.presentation.guide.pages import CAPTIONS, found_by, sections


def test_every_section_has_a_title_and_text_and_every_picture_a_caption():
    found = sections()
    assert len(found) == 8
    assert len({s.name for s in found}) == len(found)
    for section in found:
        assert section.title
        assert len(section.text) > 100
        assert (
            section.name != "what-happens" or "$" not in section.words
        )  # formulas are typeset late, and words would jump
        assert (section.picture is not None) == (section.name in CAPTIONS)


@pytest.mark.parametrize("section", [s for s in sections() if s.picture], ids=lambda s: s.name)
def test_a_picture_is_an_svg_that_loads_nothing_and_stays_in_its_frame(section):
    root = ElementTree.fromstring(section.picture)
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    assert section.shape == f"{width:.0f} / {height:.0f}"  # the page keeps its place free
    for node in root.iter():
        assert not [v for k, v in node.attrib.items() if k.endswith("href")]
        for key, most in (("x", width), ("y", height), ("cx", width), ("cy", height)):
            assert 0 <= float(node.attrib.get(key, 0)) <= most


def test_the_search_finds_sections_with_all_words_in_any_case():
    assert found_by("") == list(sections())
    assert [s.name for s in found_by("FOLLOW neighbours")] == ["maps"]
    assert "keys" in [s.name for s in found_by("shift escape")]
    assert found_by("xylophone") == []
