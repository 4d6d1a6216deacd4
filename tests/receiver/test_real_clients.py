"""Clients that nobody wrote for Tocsin, with the commands that Healthchecks' users have in their crontabs."""

import asyncio
import shutil
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from tests.receiver.conftest import Reports

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")


async def shell(command: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_shell(
        command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


@pytest.fixture
def url(address: tuple[str, int], key: UUID) -> str:
    return f"http://{address[0]}:{address[1]}/{key}"


async def test_a_line_of_a_crontab_reports(url: str, reports: Reports) -> None:
    assert await shell(f"true && curl -fsS --noproxy '*' -m 10 --retry 5 -o /dev/null {url}") == (0, "")
    assert [report["kind"] for report in await reports()] == ["SUCCESS"]


async def test_a_script_reports_its_exit_code_and_what_it_said(url: str, reports: Reports) -> None:
    said = "m=$(ls /no/such/file 2>&1); code=$?"
    assert await shell(f"{said}; curl -fsS --noproxy '*' -m 10 --retry 5 --data-raw \"$m\" {url}/$code") == (0, "OK")
    [report] = await reports()
    assert (report["kind"], report["exit_code"]) == ("FAILURE", 2)
    assert "No such file or directory" in report["payload"]


async def test_a_run_is_reported_from_its_start_to_its_end(url: str, reports: Reports) -> None:
    run = uuid4()
    curl = "curl -fsS --noproxy '*' -m 10 --retry 5 -o /dev/null"
    assert await shell(f"{curl} '{url}/start?rid={run}'; sleep 0.1; {curl} '{url}?rid={run}'") == (0, "")
    _, success = await reports()
    assert success["run_time_ms"] >= 100


@pytest.mark.parametrize("options", ["--http1.0", "--head", "--http2", "-H 'Expect: 100-continue'", "-H 'Host:'"])
async def test_whatever_way_curl_goes_it_arrives(url: str, reports: Reports, options: str) -> None:
    status, said = await shell(f"curl -sS --noproxy '*' -m 10 {options} {url}")
    assert (status, len(await reports())) == (0, 1), said


async def test_a_log_of_ten_megabytes_is_uploaded_without_an_error(url: str, reports: Reports, tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"a line of a log\n" * 650_000)
    status, said = await shell(f"curl -fsS --noproxy '*' -m 20 --data-binary @{tmp_path}/log {url}")
    assert (status, said) == (0, "OK")
    [report] = await reports()
    assert (len(report["payload"]), report["size"]) == (10_000, 10_400_000)


async def test_an_unknown_key_is_an_error_to_curl(url: str) -> None:
    status, said = await shell(f"curl -fsS --noproxy '*' -m 10 {url.rpartition('/')[0]}/{uuid4()}")
    assert status == 22
    assert "404" in said
