"""Documents of the site: links, formulas, pictures and anchors, from a small repository."""

from __future__ import annotations

import re

import pytest

from assets.site.documents import anchor_of, render, target_of


@pytest.fixture
def made(tmp_path):
    """Render two files and return them by source."""
    (tmp_path / "docs" / "pictures").mkdir(parents=True)
    (tmp_path / "docs" / "pictures" / "a.svg").write_text("<svg/>")
    (tmp_path / "core.py").write_text("")
    (tmp_path / "docs" / "a.md").write_text(
        "# A $D_f$ title\n\nOf $x_1$ and `$code$`, at $LAF_HOME and $5.\n\n$$\n\\frac{a}{b}\n$$\n\n```math\n\\sqrt{c}\n```\n\n"
        "[b](b.md#part-two) [out](https://example.org) [source](../core.py) [here](#a-title) ![p](pictures/a.svg)\n\n"
        "| a | b |\n|---|---|\n| 1 | 2 |\n"
    )
    (tmp_path / "README.md").write_text(
        '# B\n\n## Part two\n\n## Part two\n\n<img src="docs/pictures/a.svg">\n'
    )
    (tmp_path / "docs" / "b.md").write_text("# B\n\n[readme](../README.md)\n")
    site = tmp_path / "site"
    site.mkdir()
    found = render(tmp_path, ["docs/a.md", "docs/b.md", "README.md"], site)
    return {one.source: one for one in found}, site


def test_links_lead_to_pages_of_the_site_and_files_without_a_page_become_text(made):
    found, site = made
    body = found["docs/a.md"].body
    assert re.findall(r'href="([^"]+)"', body) == ["b.html#part-two", "https://example.org", "#a-title"]
    assert "<span>source</span>" in body
    assert 'href="about/readme.html"' in found["docs/b.md"].body
    assert (site / "docs" / "pictures" / "a.svg").exists()
    assert 'src="pictures/a.svg"' in body
    assert 'src="../pictures/a.svg"' in found["README.md"].body  # in HTML of its own, too


def test_formulas_are_mathml_and_a_dollar_alone_is_a_dollar(made):
    body = made[0]["docs/a.md"].body
    assert body.count("<math") == 4
    assert body.count('display="block"') == 2, "between dollars, and in a block of the kind math"
    assert "sqrt{" not in body
    assert "<code>$code$</code>" in body
    assert "$LAF_HOME and $5" in body
    assert "<table>" in body


def test_headings_have_githubs_anchors_and_equal_ones_a_number(made):
    headings = made[0]["README.md"].headings
    assert [(level, anchor) for level, anchor, _ in headings] == [
        (1, "b"),
        (2, "part-two"),
        (2, "part-two-1"),
    ]
    assert anchor_of("What `laf run` does, and why", set()) == "what-laf-run-does-and-why"


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("docs/README.md", "docs/index.html"),
        ("docs/api/core.md", "docs/api/core.html"),
        ("CHANGELOG.md", "docs/about/changelog.html"),
    ],
)
def test_each_file_has_its_place(source, target):
    assert target_of(source) == target
