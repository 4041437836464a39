"""OHIF against this server: does a viewer that nobody here wrote list the studies and show their pictures?

Starts the demo server on a fresh data folder and, beside it, a small web server that hands out OHIF's prebuilt
site (npm ``@ohif/app``) and passes ``/dicomweb`` on with a surgeon's token, as a hospital's gateway would.
Drives OHIF in the tests' browser: the study list, then a radiograph, a CT and a photograph. Prints a line for
each; keeps a screenshot of each in the folder named; fails when a study is not listed or a picture stays black.

    npm pack @ohif/app && tar xzf ohif-app-*.tgz
    python -m bench.ohif --site package/dist --shots ohif-shots
"""

import argparse
import contextlib
import io
import json
import mimetypes
import os
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2 as httpx
import numpy as np
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from bench.memory import ROOT, free_port, wait_until_ready
from tests.browser import chromium

WANTED = {"DX": 1, "CT": 80, "XC": 1}
"""How many objects the study shown has at the least, by modality."""
PATIENCE_MS = 90_000
CONFIGURATION = """
window.config = {
  routerBasename: null, extensions: [], modes: [], showStudyList: true, defaultDataSourceName: 'shanhai',
  dataSources: [{
    namespace: '@ohif/extension-default.dataSourcesModule.dicomweb', sourceName: 'shanhai',
    configuration: {
      friendlyName: 'Shanhai', name: 'shanhai', qidoRoot: '/dicomweb', wadoRoot: '/dicomweb', wadoUriRoot: '/dicomweb',
      imageRendering: 'wadors', thumbnailRendering: 'wadors', qidoSupportsIncludeField: true, supportsFuzzyMatching: false,
      supportsWildcard: true, enableStudyLazyLoad: true, omitQuotationForMultipartRequest: true,
      bulkDataURI: { enabled: true, relativeResolution: 'studies' },
    },
  }],
};
"""


def gateway(site: Path, upstream: httpx.Client) -> ThreadingHTTPServer:
    """The site and the way to the server, on a free loopback port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/dicomweb"):
                answer = upstream.get(self.path, headers={"Accept": self.headers.get("Accept", "*/*")})
                self._send(answer.status_code, answer.headers.get("Content-Type", ""), answer.content)
                return
            name = self.path.partition("?")[0].lstrip("/")
            file = site / name
            if name == "app-config.js":
                self._send(200, "text/javascript", CONFIGURATION.encode())
            elif file.is_file() and file.resolve().is_relative_to(site):
                self._send(200, mimetypes.guess_type(name)[0] or "application/octet-stream", file.read_bytes())
            else:
                self._send(200, "text/html", (site / "index.html").read_bytes())

        def _send(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            # OHIF gives up what it no longer wants
            with contextlib.suppress(ConnectionError):
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return ThreadingHTTPServer(("127.0.0.1", 0), Handler)


def painted(page: Page) -> float:
    """The share of the viewport's pixels that are not black."""
    shot = np.asarray(Image.open(io.BytesIO(page.locator(".cornerstone-canvas").first.screenshot())).convert("L"))
    return float((shot > 40).mean())


def show(page: Page, study: str, modality: str, shots: Path) -> float:
    """Open one study and wait until its first picture is painted; how much of it is."""
    page.goto(f"/viewer?StudyInstanceUIDs={study}")
    page.wait_for_selector(".cornerstone-canvas", timeout=PATIENCE_MS)
    share = 0.0
    for _ in range(60):
        page.wait_for_timeout(1_000)
        share = painted(page)
        if share > 0.05:
            break
    page.screenshot(path=shots / f"ohif-{modality}.png")
    return share


def drive(origin: str, studies: dict[str, str], shots: Path) -> bool:
    """Look at the list and at each study; True when everything was there."""
    good = True
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        found = chromium.find(Path(folder))
        browser = playwright.chromium.launch(executable_path=found.executable, env=found.environment, args=list(chromium.FLAGS))
        page = browser.new_context(base_url=origin, viewport={"width": 1280, "height": 800}).new_page()
        page.goto("/")
        page.wait_for_selector("[data-cy='studyRow'], [data-cy^='studyRow-']", timeout=PATIENCE_MS)
        rows = page.locator("[data-cy='studyRow'], [data-cy^='studyRow-']").count()
        page.screenshot(path=shots / "ohif-list.png")
        print(f"study list: {rows} studies")
        for modality, study in studies.items():
            share = show(page, study, modality, shots)
            good &= share > 0.05
            print(f"{modality}: {share:.0%} of the viewport painted{'' if share > 0.05 else ': BLACK'}", flush=True)
        browser.close()
    return good and rows > 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--site", type=Path, required=True, help="the folder dist of npm's @ohif/app")
    parser.add_argument("--shots", type=Path, default=Path("ohif-shots"), help="where the screenshots go")
    arguments = parser.parse_args()
    arguments.shots.mkdir(parents=True, exist_ok=True)
    os.environ["PLAYWRIGHT_NODEJS_PATH"] = str(chromium.node())
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "registry.cli", "demo", "--port", str(port), "--data-dir", folder]
        server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        try:
            upstream = httpx.Client(base_url=f"http://localhost:{port}", timeout=60)
            wait_until_ready(upstream)
            accounts = json.loads((Path(folder) / "demo-accounts.json").read_text())
            token = next(account["token"] for account in accounts if account["role"] == "surgeon")
            upstream.headers["Authorization"] = f"Bearer {token}"
            site = gateway(arguments.site.resolve(), upstream)
            threading.Thread(target=site.serve_forever, daemon=True).start()
            good = drive(f"http://localhost:{site.server_port}", one_of_each(upstream), arguments.shots)
            site.shutdown()
        finally:
            server.terminate()
            server.wait(20)
    raise SystemExit(not good)


def one_of_each(upstream: httpx.Client) -> dict[str, str]:
    """A study for each modality wanted, by QIDO-RS."""
    found = {}
    for modality, least in WANTED.items():
        listed = upstream.get("/dicomweb/studies", params={"ModalitiesInStudy": modality, "includefield": "all"}).json()
        studies = [row for row in listed if row["00201208"]["Value"][0] >= least]
        if not studies:
            raise SystemExit(f"QIDO-RS lists no {modality} study of {least} objects")
        found[modality] = studies[0]["0020000D"]["Value"][0]
    return found


if __name__ == "__main__":
    main()
