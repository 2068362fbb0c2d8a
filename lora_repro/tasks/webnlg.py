"""WebNLG 2017 (Gardent et al.): triples of DBpedia to text, from the LoRA authors' JSON files or the official XML."""

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lora_repro.errors import DataError
from lora_repro.tasks.data_to_text import DataToTextExamples
from lora_repro.tasks.jsonfile import member, read_json, typed
from lora_repro.tasks.textfile import damaged, read_lines, shown
from lora_repro.tasks.triples import Described, Triple, examples_of_triples

STEMS = {"train": ("train",), "validation": ("dev", "valid", "validation"), "test": ("test",)}
TEST_XML = "testdata_with_lex.xml"  # beside it lie the same inputs without texts, and the unseen ones once more


@dataclass(frozen=True)
class Entry:
    """One set of triples, and its texts, each with the comment that the annotators gave it."""

    category: str
    triples: list[Triple]
    texts: list[tuple[str, str]]  # (comment, text)


def find(split: str, folder: Path) -> Path | None:
    """The split in a folder: ``dev.json``, ``dev.xml``, or the official folder ``dev/`` of XML files."""
    for stem in STEMS[split]:
        for path in (folder / f"{stem}.json", folder / f"{stem}.xml", folder / stem):
            if path.is_file() or (path.is_dir() and any(path.rglob("*.xml"))):
                return path
    return None


def read(path: Path) -> DataToTextExamples:
    """Read a JSON file, an XML file, or a folder of XML files (in order of their paths; of a folder that has it only
    ``testdata_with_lex.xml``).

    Raises:
        DataError: names the file and the line or entry.
    """
    if path.is_dir():
        files = [*path.rglob(TEST_XML)] or sorted(path.rglob("*.xml"))
        return examples_of((entry for file in files for entry in xml_entries(file)), "local", str(path))
    entries = xml_entries(path) if path.suffix.lower() == ".xml" else json_entries(path)
    return examples_of(entries, "local", str(path))


def examples_of(entries: Iterable[Entry], source: str, name: str) -> DataToTextExamples:
    """Examples of the texts that the annotators found good, case kept (see `examples_of_triples`).

    Args:
        name: of the source, for messages.

    Raises:
        DataError: no text is good.
    """
    sets = (
        Described(entry.triples, [text for comment, text in entry.texts if comment == "good"], entry.category)
        for entry in entries
    )
    return examples_of_triples(sets, source, f"{name}: expected texts with the comment 'good', found none")


def json_entries(path: Path) -> Iterator[Entry]:
    """The entries of a JSON file: ``{"entries": [{"1": {...}}, {"2": {...}}, ...]}``.

    Raises:
        DataError: names the entry that is damaged.
    """
    content = typed(read_json(path), dict, str(path))
    for number, numbered in enumerate(member(content, "entries", list, str(path)), start=1):
        where = f"{path}, entry {number}"
        record = member(typed(numbered, dict, where), str(number), dict, where)
        triples = []
        for item in member(record, "modifiedtripleset", list, where):
            triple = typed(item, dict, where)
            subject, name, value = (member(triple, key, str, where) for key in ("subject", "property", "object"))
            triples.append((subject, name, value))
        texts = []
        for item in member(record, "lexicalisations", list, where):
            lex = typed(item, dict, where)
            texts.append((member(lex, "comment", str, where), member(lex, "lex", str, where)))
        yield _checked(Entry(member(record, "category", str, where), triples, texts), where)


def xml_entries(path: Path) -> Iterator[Entry]:
    """The entries of an official XML file: ``benchmark/entries/entry`` with ``mtriple`` and ``lex`` elements.

    Raises:
        DataError: not XML (with the line), or an entry that is damaged.
    """
    lines, _ = read_lines(path)
    try:
        root = ET.fromstring("\n".join(lines))
    except ET.ParseError as error:
        line = error.position[0]
        raise damaged(path, line, "XML", f"{shown(lines[line - 1])} ({error})") from None
    elements = root.findall("./entries/entry")
    if not elements:
        raise DataError(f"{path}: expected <entry> elements in <benchmark><entries>, found none in <{root.tag}>")
    for number, element in enumerate(elements, start=1):
        where = f"{path}, entry {element.get('eid') or number}"
        category = element.get("category")
        if not category:
            raise DataError(f"{where}: expected the attribute 'category', found {', '.join(element.keys()) or 'none'}")
        triples = [split_triple(item.text or "", where) for item in element.findall("./modifiedtripleset/mtriple")]
        texts = [(lex.get("comment") or "", (lex.text or "").strip()) for lex in element.findall("./lex")]
        yield _checked(Entry(category, triples, texts), where)


def split_triple(text: str, where: str) -> Triple:
    """``Aarhus | leaderName | Jacob_Bundsgaard``, the form of the XML files and of the hub, taken apart.

    Raises:
        DataError: it does not have three parts.
    """
    parts = [part.strip() for part in text.split(" | ")]
    if len(parts) != 3:
        raise DataError(f"{where}: expected a triple 'subject | property | object', found {shown(text)}")
    return parts[0], parts[1], parts[2]


def _checked(entry: Entry, where: str) -> Entry:
    if not entry.triples:
        raise DataError(f"{where}: expected at least one triple, found none")
    if any(comment == "good" and not text.strip() for comment, text in entry.texts):
        raise DataError(f"{where}: expected a text, found an empty one")
    return entry
