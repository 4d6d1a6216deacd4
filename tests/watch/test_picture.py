"""The picture of the README."""

import json

from docs.make_watch_picture import FOLDER, picture


def test_the_picture_is_drawn_from_what_a_real_run_told() -> None:
    svg = picture(json.loads((FOLDER / "watch.json").read_text()))
    assert svg.count("<svg ") == 1
    assert "OPEN&#160;INCIDENTS" in svg
    assert "expected&#160;200-299,&#160;got&#160;503" in svg
