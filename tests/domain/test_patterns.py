"""Patterns that users write are RE2's, of a bounded size, and cannot take long."""

import time

import pytest

from tocsin.domain.patterns import compile_pattern


@pytest.mark.parametrize(("pattern", "text"), [("^220 .*ready", "220 mail ready"), ("é+$", "caféé"), ("(?i)OK", "ok")])
def test_a_pattern_is_searched_for_in_utf_8(pattern: str, text: str) -> None:
    assert compile_pattern(pattern).search(text.encode())
    assert not compile_pattern(pattern).search(b"nothing \xff")


@pytest.mark.parametrize("pattern", ["(", r"\1", "(?=a)", "(?<=a)", "a{1001}", "\ud800"])
def test_what_re2_does_not_know_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="must be a pattern of RE2"):
        compile_pattern(pattern)


@pytest.mark.parametrize("pattern", [r"\pL{0,30}x", r"(\pL{0,100}){10}x"])
def test_what_is_too_large_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="too large a pattern"):
        compile_pattern(pattern)


@pytest.mark.parametrize("pattern", ["(x+x+)+y", "(a|aa)+$", "[xy]*x[xy]{100}z", ".{0,99}x.{0,99}y"])
def test_a_pattern_that_makes_others_backtrack_takes_milliseconds(pattern: str) -> None:
    began_at = time.process_time()
    compile_pattern(pattern).search(b"xyxx" * 1024)
    assert time.process_time() - began_at < 0.5
