//! What there is to share under a path.

use crate::failure::Failure;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// How deep folders may lie in one another: as deep as the path of a file in a torrent may be long.
const MAX_DEPTH: usize = 100;

/// What there is to share.
#[derive(Debug)]
pub(crate) struct Found {
    /// The name of the file or folder.
    pub(crate) name: String,
    /// Whether it is a folder.
    pub(crate) is_folder: bool,
    /// Files in the order of the bytes of their paths.
    pub(crate) files: Vec<FoundFile>,
    /// Links and special files, which are left out.
    pub(crate) left_out: Vec<PathBuf>,
}

/// A file to share.
#[derive(Debug)]
pub(crate) struct FoundFile {
    /// Where it is.
    pub(crate) place: PathBuf,
    /// Its path in the torrent, from the torrent's name on.
    pub(crate) path: Vec<String>,
    /// Its length in bytes.
    pub(crate) length: u64,
}

impl Found {
    /// Bytes in all.
    pub(crate) fn total(&self) -> u64 {
        self.files.iter().map(|file| file.length).sum()
    }
}

/// Everything under `path`, hidden files and empty files too.
///
/// # Errors
/// Something cannot be read, or has a name that is not UTF-8.
pub(crate) fn walk(path: &Path) -> Result<Found, Failure> {
    // "." and ".." have names as well.
    let root = fs::canonicalize(path).map_err(|error| {
        Failure::io("cannot read", path, &error).advise("give the path of a file or folder that is there")
    })?;
    let name = root.file_name().ok_or_else(|| {
        Failure::new(format!("{} has no name to share it by", path.display()))
            .advise("share a folder inside it")
    })?;
    let name = utf8(name, &root)?;
    let kind = fs::metadata(&root).map_err(|error| Failure::io("cannot read", path, &error))?;
    let mut found =
        Found { name: name.clone(), is_folder: kind.is_dir(), files: Vec::new(), left_out: Vec::new() };
    if kind.is_dir() {
        found.walk_folders(root, name)?;
    } else if kind.is_file() {
        found.files.push(FoundFile { place: root, path: vec![name], length: kind.len() });
    } else {
        return Err(Failure::new(format!("{} is neither a file nor a folder", path.display())).at(path));
    }
    Ok(found)
}

impl Found {
    /// Goes through folders, those found on the way last.
    fn walk_folders(&mut self, root: PathBuf, name: String) -> Result<(), Failure> {
        let mut folders = vec![(root, vec![name])];
        while let Some((folder, path)) = folders.pop() {
            let unreadable = |error: io::Error| Failure::io("cannot read the folder", &folder, &error);
            if path.len() >= MAX_DEPTH {
                return Err(Failure::new(format!("{} lies too deep", folder.display())).at(&folder));
            }
            for entry in fs::read_dir(&folder).map_err(unreadable)? {
                let entry = entry.map_err(unreadable)?;
                let (place, kind) = (entry.path(), entry.file_type().map_err(unreadable)?);
                if !kind.is_dir() && !kind.is_file() {
                    self.left_out.push(place);
                    continue;
                }
                let mut path = path.clone();
                path.push(utf8(&entry.file_name(), &place)?);
                if kind.is_dir() {
                    folders.push((place, path));
                } else {
                    let length = entry.metadata().map_err(unreadable)?.len();
                    self.files.push(FoundFile { place, path, length });
                }
            }
        }
        self.files.sort_unstable_by(|one, other| one.path.cmp(&other.path));
        self.left_out.sort_unstable();
        Ok(())
    }
}

fn utf8(name: &std::ffi::OsStr, place: &Path) -> Result<String, Failure> {
    name.to_str().map(str::to_owned).ok_or_else(|| {
        Failure::new(format!("the name of {} is not UTF-8", place.display())).at(place).advise("rename it")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_in_the_order_of_their_paths_with_hidden_and_empty_ones() {
        let scratch = tempfile::tempdir().expect("a scratch folder");
        let top = scratch.path().join("top");
        for folder in ["b", "a/deep", "empty"] {
            fs::create_dir_all(top.join(folder)).expect("made");
        }
        for (file, length) in [("b/x", 3), ("a/deep/y", 0), (".hidden", 2), ("a.txt", 1), ("Z", 1)] {
            fs::write(top.join(file), vec![0; length]).expect("written");
        }
        let found = walk(&top).expect("walked");
        let paths: Vec<_> = found.files.iter().map(|file| file.path.join("/")).collect();
        assert_eq!(paths, ["top/.hidden", "top/Z", "top/a/deep/y", "top/a.txt", "top/b/x"]);
        assert_eq!((found.total(), found.is_folder, found.name.as_str()), (7, true, "top"));
    }

    #[cfg(unix)]
    #[test]
    fn links_inside_are_left_out_and_the_path_itself_may_be_one() {
        use std::os::unix::fs::symlink;
        let scratch = tempfile::tempdir().expect("a scratch folder");
        let top = scratch.path().join("top");
        fs::create_dir(&top).expect("made");
        fs::write(top.join("file"), "x").expect("written");
        symlink("/etc/passwd", top.join("out")).expect("linked");
        symlink(&top, top.join("round")).expect("linked");
        symlink(&top, scratch.path().join("link")).expect("linked");
        let found = walk(&scratch.path().join("link")).expect("walked");
        assert_eq!(found.files.len(), 1);
        assert_eq!(found.left_out.len(), 2);
        assert_eq!(found.name, "top");
    }

    #[test]
    fn what_is_not_there_is_named() {
        let failure = walk(Path::new("/nonexistent/file")).expect_err("refused");
        assert!(failure.message().contains("/nonexistent/file"));
    }
}
