//! Torrents: info dictionaries, whole files, and those that are made.

use super::{Fault, Found, Vector, content, hex, hex_or_null};
use convoy_core::{
    bencode,
    metainfo::{
        Builder, Error, Field, File, Incompatible, Info, Magnet, Malformed, Metainfo, PieceHasher, SourceFile,
    },
};
use serde_json::{Map, Value as Json, json};
use sha1::{Digest, Sha1};
use sha2::Sha256;

/// An info dictionary: of the facts that are known of it, those that the vector has.
pub(super) fn info(vector: &Vector) -> Result<Found, Fault> {
    let info = match Info::parse(vector.bytes()?.into()) {
        Ok(info) => info,
        Err(Error::Incompatible(Incompatible::V2Only)) => {
            return Err(Fault::Unsupported("torrents without version 1 pieces are not read yet"));
        }
        Err(error) => return Ok(Found::error(code(error))),
    };
    let magnet =
        Magnet { info_hash: Some(info.info_hash), info_hash_v2: info.info_hash_v2, ..Magnet::default() };
    let mut facts = json!({
        "pieces": hex(&info.piece_hashes),
        "info_hash_v1": info.info_hash.to_string(),
        "info_hash_v2": hex_or_null(info.info_hash_v2),
        "magnet": magnet.to_string(),
    });
    if let Some(length) = vector.setup["content"]["filler"].as_u64() {
        let content = content(length);
        facts["content_sha1"] = hex(Sha1::digest(&content));
        facts["content_sha256"] = hex(Sha256::digest(&content));
        let mut hasher = PieceHasher::new(info.geometry);
        hasher.update(&content);
        let pieces = hasher.finish().map(|pieces| hex(pieces.concat()));
        Fault::unless_equal("content whose pieces are", &Ok(facts["pieces"].clone()), &pieces)?;
    }
    let wanted = vector.value.as_ref().and_then(Json::as_object).into_iter().flat_map(Map::keys);
    Ok(Found::value(wanted.map(|key| (key.clone(), facts[key].take())).collect::<Map<_, _>>()))
}

/// A whole `.torrent` file.
pub(super) fn file(vector: &Vector) -> Result<Found, Fault> {
    let metainfo = match Metainfo::parse(vector.bytes()?.into()) {
        Ok(metainfo) => metainfo,
        Err(error) => return Ok(Found::error(code(error))),
    };
    let again = Metainfo::parse(metainfo.encode().into());
    Fault::unless_equal("written and read again to be", &Ok(&metainfo), &again.as_ref())?;
    let Metainfo { info, trackers, web_seeds, nodes, comment, created_by, creation_date } = &metainfo;
    Ok(Found::value(json!({
        "info_hash": info.info_hash.to_string(),
        "info_hash_v2": hex_or_null(info.info_hash_v2),
        "non_canonical": info.non_canonical,
        "private": info.private,
        "source": info.source,
        "files": info.files.iter().map(file_json).collect::<Json>(),
        "trackers": trackers,
        "web_seeds": web_seeds,
        "nodes": nodes,
        "comment": comment,
        "created_by": created_by,
        "creation_date": creation_date,
    })))
}

fn file_json(file: &File) -> Json {
    json!({
        "path": file.path, "length": file.length, "padding": file.padding, "executable": file.executable,
    })
}

/// An info dictionary made of what the value says, and read again.
pub(super) fn built(vector: &Vector) -> Result<Found, Fault> {
    let unfit = || Fault::unfit("name, files and piece_length", format!("{:?}", vector.value));
    let value = vector.value.as_ref().ok_or_else(unfit)?;
    let name = value["name"].as_str().ok_or_else(unfit)?;
    let files: Vec<SourceFile> = value["files"].as_array().ok_or_else(unfit)?.iter().map(source).collect();
    let builder = match files.as_slice() {
        [file] if file.path.is_empty() => Builder::single_file(name, file.length),
        _ => Builder::folder(name, files),
    };
    let piece_length = value["piece_length"].as_u64().and_then(|bytes| bytes.try_into().ok());
    let builder = builder.piece_length(piece_length.ok_or_else(unfit)?);
    let builder = if value["private"] == true { builder.private() } else { builder };
    let plan = builder.plan().map_err(|error| Fault::unfit("a torrent that can be made", error))?;
    let mut hasher = plan.hasher();
    plan.files().iter().for_each(|file| hasher.update(&content(file.length)));
    let built = hasher.finish().and_then(|pieces| plan.finish(&pieces));
    let info = built.map_err(|error| Fault::unfit("a torrent that can be made", error))?.info;
    // Paths go by the torrent's name first, which the files of the value leave out.
    let file = |file: &File| json!({ "path": file.path.get(1..), "length": file.length });
    Ok(Found::value(json!({
        "name": info.name,
        "files": info.files.iter().map(file).collect::<Json>(),
        "piece_length": info.geometry.piece_length(),
        "private": info.private,
        "info_hash": info.info_hash.to_string(),
    }))
    .written(&info.raw))
}

fn source(file: &Json) -> SourceFile {
    let path = file["path"].as_array().into_iter().flatten().filter_map(Json::as_str);
    SourceFile {
        path: path.map(Into::into).collect(),
        length: file["length"].as_u64().unwrap_or_default(),
        executable: false,
    }
}

/// The error as the vectors name it.
fn code(error: Error) -> String {
    let field = |field: Field| field.to_string().replace('`', "");
    match error {
        Error::Malformed(Malformed::Bencode(bencode::Error { .. })) => "bencode".into(),
        Error::Malformed(Malformed::Missing(name)) => format!("missing {}", field(name)),
        Error::Malformed(Malformed::WrongType(name)) => format!("wrong_type {}", field(name)),
        Error::Malformed(Malformed::OutOfRange(name)) => format!("out_of_range {}", field(name)),
        Error::Malformed(Malformed::EmptyPath(file)) => format!("empty_path {}", file.0),
        Error::Malformed(Malformed::PathTooDeep(file)) => format!("path_too_deep {}", file.0),
        Error::Malformed(Malformed::PathTooLong(file)) => format!("path_too_long {}", file.0),
        Error::Incompatible(Incompatible::MetaVersion(version)) => format!("meta_version {version}"),
        Error::Limit(limit) => format!("limit {}", super::code(limit).replace('_', " ")),
        Error::Malformed(malformed) => super::code(malformed),
        Error::Incompatible(incompatible) => super::code(incompatible),
        other => super::code(other),
    }
}
