"""croissant.json: the release in the vocabulary of MLCommons Croissant 1.0, so that its shards can be iterated by column."""

from __future__ import annotations

import json
from typing import Any

from chimed.parquet import published_schema
from chimed.release import FileEntry, Manifest

CONTEXT = {
    "@language": "en", "@vocab": "https://schema.org/", "citeAs": "cr:citeAs", "column": "cr:column",
    "conformsTo": "dct:conformsTo", "cr": "http://mlcommons.org/croissant/", "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"}, "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty", "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract", "field": "cr:field", "fileObject": "cr:fileObject", "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet", "format": "cr:format", "includes": "cr:includes", "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath", "key": "cr:key", "md5": "cr:md5", "parentField": "cr:parentField", "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/", "recordSet": "cr:recordSet", "references": "cr:references",
    "regex": "cr:regex", "repeated": "cr:repeated", "replace": "cr:replace", "sc": "https://schema.org/",
    "separator": "cr:separator", "source": "cr:source", "subField": "cr:subField", "transform": "cr:transform",
}  # fmt: skip
NOTES = {
    "rai:dataUseCases": "Research on Chinese medical language models. No clinical decisions.",
    "rai:personalSensitiveInformation": "Rule-based masking with measured recall; see the card.",
    "rai:dataLimitations": "Public web consultations and machine-made instructions; doses may be outdated.",
}


def _file(entry: FileEntry) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject", "@id": entry.path, "name": entry.path, "contentUrl": entry.path,
        "contentSize": f"{entry.bytes} B", "encodingFormat": "application/x-parquet", "sha256": entry.sha256,
    }  # fmt: skip


def _field(part: str, name: str, nested: bool) -> dict[str, Any]:
    field: dict[str, Any] = {
        "@type": "cr:Field", "@id": f"{part}/{name}", "name": name,
        "source": {"fileSet": {"@id": f"{part}-shards"}, "extract": {"column": name}},
    }  # fmt: skip
    if not nested:
        return field | {"dataType": "sc:Text"}
    inner = [
        {"@type": "cr:Field", "@id": f"{part}/{name}/{key}", "name": key, "dataType": "sc:Text",
         "source": {"fileSet": {"@id": f"{part}-shards"}, "extract": {"column": name},
                    "transform": {"jsonPath": f"$[*].{key}"}}}
        for key in ("role", "content")
    ]  # fmt: skip
    return field | {"repeated": True, "subField": inner}


def croissant(manifest: Manifest, *, url: str = "https://huggingface.co/datasets", published: str | None = None) -> str:
    """The JSON-LD text; its file sets are the shards beside it (contained in file objects they would hold no row).

    `published` is the day a push or a recipe gives; there is no other date in a release.
    """
    shards = [entry for entry in manifest.files if entry.path.startswith("data/")]
    parts = [part for part in ("train", "validation") if any(f"/{part}-" in entry.path for entry in shards)]
    sets = [
        {"@type": "cr:FileSet", "@id": f"{part}-shards", "name": f"{part}-shards",
         "encodingFormat": "application/x-parquet", "includes": f"data/*/{part}-*.parquet"}
        for part in parts
    ]  # fmt: skip
    schema = published_schema(manifest.split)
    records = [
        {"@type": "cr:RecordSet", "@id": part, "name": part,
         "field": [_field(part, column.name, column.type.num_fields > 0) for column in schema]}
        for part in parts
    ]  # fmt: skip
    document = {
        "@context": CONTEXT, "@type": "sc:Dataset", "name": manifest.name, "conformsTo": "http://mlcommons.org/croissant/1.0",
        "description": f"{manifest.name}: {manifest.rows} rows of Chinese text for research on medical language models.",
        "license": sorted({entry.license for entry in manifest.sources}), "url": url, "version": manifest.version,
        "citeAs": "Ye et al. (2023), arXiv:2310.09089", "inLanguage": "zh",
        "prov:wasDerivedFrom": [entry.home for entry in manifest.sources],
        "distribution": [*(_file(entry) for entry in shards), *sets], "recordSet": records,
    } | NOTES | ({"datePublished": published} if published else {})  # fmt: skip
    document["@context"] = CONTEXT | {"prov": "http://www.w3.org/ns/prov#"}
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"
