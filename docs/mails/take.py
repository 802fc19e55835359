"""Takes pictures of the default mails anew: on a phone in German, on a desktop in English. Needs Chromium.

python docs/mails/take.py
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageChops

from services.notifications.templates.defaults import TEMPLATES
from services.notifications.templates.document import preview

FOLDER = Path(__file__).parent
WIDTHS = {"phone": ("de", 390), "desktop": ("en", 1024)}
TALLEST = 2_000
MARGIN = 24


def main() -> None:
    """Take two pictures of each mail."""
    with tempfile.TemporaryDirectory() as directory:
        for name, template in TEMPLATES.items():
            for screen, (language, width) in WIDTHS.items():
                page, shot = Path(directory, "mail.html"), FOLDER / f"{name}-{screen}.png"
                page.write_text(preview(template, language).html, "utf-8")
                take(page, shot, width)
                sys.stdout.write(f"{shot.name}\n")


def take(page: Path, shot: Path, width: int) -> None:
    """Let Chromium draw a page, and cut off what is empty below it."""
    size = f"--window-size={width},{TALLEST}"
    browser = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    subprocess.run([*browser, size, f"--screenshot={shot}", page.as_uri()], check=True, capture_output=True)
    drawn = Image.open(shot).convert("RGB")
    ground = Image.new("RGB", drawn.size, drawn.getpixel((0, TALLEST - 1)))
    _, _, _, bottom = ImageChops.difference(drawn, ground).getbbox() or (0, 0, width, TALLEST)
    cut = drawn.crop((0, 0, width, min(bottom + MARGIN, TALLEST)))
    cut.quantize(64).save(shot, optimize=True)


if __name__ == "__main__":
    main()
