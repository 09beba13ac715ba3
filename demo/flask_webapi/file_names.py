"""Names of files as they come from strangers, made fit to be shown and saved."""

from __future__ import annotations

import unicodedata


#: Bytes of a name that every file system takes.
LONGEST = 255

#: Control characters, those that turn the direction of the text (they make "exe.gpj"
#: look like "jpg.exe" and so on), and halves of pairs.
UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def safe_name(given: str) -> str:
    """Returns the last part of a path, which is a name that harms nobody.

    It stands in messages and in `Content-Disposition`; on our disk a file is called by
    its id.
    """
    name = unicodedata.normalize("NFC", given.replace("\\", "/").rpartition("/")[2])
    name = "".join(one for one in name if unicodedata.category(one) not in UNSEEN)
    # Dots in front hide a file, those at the end and spaces vanish under Windows.
    name = name.strip(". ")
    stem, dot, ending = name.rpartition(".")
    if not dot or len(ending) > 16:
        stem, dot, ending = name, "", ""
    room = LONGEST - len((dot + ending).encode())
    return (stem.encode()[:room].decode(errors="ignore") + dot + ending) or "file"
