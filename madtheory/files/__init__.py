"""Files that appear complete or not at all, identities by content, and states of runs as bytes."""

from madtheory.files.atomic import (
    StorageError,
    check_folder,
    exclusive,
    lock,
    remove_leftovers,
    replace_file,
    write_atomically,
)
from madtheory.files.identity import Identity, NoIdentity, as_json, digest_of, identify, identify_each
from madtheory.files.state import NotStorable, pack, parts_of, unpack

__all__ = [
    "Identity",
    "NoIdentity",
    "NotStorable",
    "StorageError",
    "as_json",
    "check_folder",
    "digest_of",
    "exclusive",
    "identify",
    "identify_each",
    "lock",
    "pack",
    "parts_of",
    "remove_leftovers",
    "replace_file",
    "unpack",
    "write_atomically",
]
