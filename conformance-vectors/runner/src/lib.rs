//! Conformance vectors and transcripts: how they are read, and a runner that checks `convoy-core` against
//! them.
//!
//! [`check_folder`] runs every file that it knows how to run, and tells of each vector whether it held,
//! failed or was left out: nothing is passed over in silence.

pub mod codec;
pub mod machine;

mod mse;
mod report;

pub use report::{Mismatch, Report, Skipped};

use serde_json::Value as Json;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Checks every file of vectors in `folder` and below. Schemas, hidden folders and this crate's own are no
/// vectors.
///
/// # Errors
/// A folder or a file cannot be read. A file that is no JSON, or not what its schema asks for, is a
/// [`Mismatch`] instead.
pub fn check_folder(folder: &Path) -> io::Result<Vec<Report>> {
    let mut files = Vec::new();
    find(folder, &mut files)?;
    files.sort();
    let check = |path: &PathBuf| {
        let name = path.strip_prefix(folder).unwrap_or(path).display().to_string();
        Ok(check_file(&name, &fs::read(path)?))
    };
    files.iter().map(check).collect()
}

/// Checks one file, which goes by `name` in the report.
#[must_use]
pub fn check_file(name: &str, text: &[u8]) -> Report {
    let json: Json = match serde_json::from_slice(text) {
        Ok(json) => json,
        Err(error) => return Report::unreadable(name, &error),
    };
    if json["schema"] == codec::SCHEMA {
        return codec::check(name, json);
    }
    if json["transcripts"].is_array() && json["hostile"].is_array() {
        return mse::check(name, &json);
    }
    if json["schema"] == machine::SCHEMA {
        return machine::check(name, text);
    }
    Report::skipped(name, format!("no runner for the schema {}", json["schema"]))
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name()))?;
        let name = name.to_string_lossy();
        if path.is_dir() {
            if name != "runner" && !name.starts_with('.') {
                find(&path, files)?;
            }
        } else if name.ends_with(".json") && !name.ends_with("schema.json") {
            files.push(path);
        }
    }
    Ok(())
}
