//! From the paths in a torrent to paths that every file system takes and none is led astray by.
//!
//! A torrent maps to the same names everywhere, so what one system forbids is replaced on all. An element is
//! cleaned on its own by [`sanitise_element`]; after that no element is empty, `.` or `..`, none holds a
//! separator, and so no path is absolute or leaves its folder. Then all paths of a torrent are made unlike
//! one another by [`resolve_collisions`]: folders keep their names, files give way.

use super::File;
use alloc::{
    borrow::ToOwned,
    collections::btree_map::{BTreeMap, Entry},
    format,
    string::String,
    vec::Vec,
};

/// The longest element of a path, in bytes: what ext4, NTFS, APFS and btrfs take.
pub const MAX_ELEMENT_BYTES: usize = 255;

/// The longest path below the download folder, in bytes, separators included: `PATH_MAX` of Linux.
pub const MAX_PATH_BYTES: usize = 4096;

/// The most elements that the path of a file may have in a torrent.
pub const MAX_PATH_ELEMENTS: usize = 100;

/// What stands behind the last dot counts as an extension, worth keeping when a name is cut, up to this many
/// bytes with the dot. The longest in use have about fifteen.
const MAX_EXTENSION_BYTES: usize = 32;

/// Bytes kept free for ` (n)`, whatever the number: names that are cut to make room for it are cut alike.
const NUMBER_BYTES: usize = " (4294967295)".len();

/// What a forbidden character becomes, and a name of which nothing is left.
const SUBSTITUTE: char = '_';

/// One element of a path, fit for every file system. Never empty, never `.` or `..`, at most
/// [`MAX_ELEMENT_BYTES`] long, and unchanged when sanitised again.
///
/// ```
/// use convoy_core::metainfo::sanitise_element;
///
/// assert_eq!(sanitise_element(b"../etc/passwd"), "..etcpasswd");
/// assert_eq!(sanitise_element(b".."), "_");
/// assert_eq!(sanitise_element(b"What?.txt"), "What_.txt");
/// assert_eq!(sanitise_element(b"con.txt"), "_con.txt");
/// ```
#[must_use]
pub fn sanitise_element(raw: &[u8]) -> String {
    let mut name = String::with_capacity(raw.len().min(MAX_ELEMENT_BYTES));
    for chunk in raw.utf8_chunks() {
        name.extend(chunk.valid().chars().filter_map(replace));
        if !chunk.invalid().is_empty() {
            name.push(SUBSTITUTE);
        }
    }
    trim_end(&mut name);
    let mut name = shorten(name);
    if name.is_empty() {
        name.push(SUBSTITUTE);
    }
    if is_reserved(&name) { shorten(format!("{SUBSTITUTE}{name}")) } else { name }
}

/// What stands for `c`: itself, the substitute, or nothing.
fn replace(c: char) -> Option<char> {
    match c {
        '/' | '\\' => None,
        // Zero-width characters and direction marks: names that look alike, or other than they are.
        '\u{61C}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' => None,
        '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}' => None,
        ':' | '*' | '?' | '"' | '<' | '>' | '|' => Some(SUBSTITUTE),
        c if c.is_control() => Some(SUBSTITUTE),
        c => Some(c),
    }
}

/// Windows drops trailing dots and spaces; cut here, they cannot make two names one there.
fn trim_end(name: &mut String) {
    name.truncate(name.trim_end_matches(['.', ' ']).len());
}

/// Cuts a name to [`MAX_ELEMENT_BYTES`], in front of its extension.
fn shorten(name: String) -> String {
    if name.len() <= MAX_ELEMENT_BYTES {
        return name;
    }
    let (stem, extension) = split_extension(&name);
    let mut short = cut(stem, MAX_ELEMENT_BYTES - extension.len()).to_owned();
    short.push_str(extension);
    trim_end(&mut short);
    short
}

/// As much of `text` as `bytes` hold.
fn cut(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or(text)
}

/// What is in front of the extension, and the extension with its dot; the latter is empty if there is none
/// or it is too long to be one.
fn split_extension(name: &str) -> (&str, &str) {
    name.rfind('.')
        .and_then(|dot| name.split_at_checked(dot))
        .filter(|(stem, extension)| !stem.is_empty() && extension.len() <= MAX_EXTENSION_BYTES)
        .unwrap_or((name, ""))
}

/// Whether Windows takes the name for a device, in whatever case and with whatever extension.
fn is_reserved(name: &str) -> bool {
    let base = name.split('.').next().unwrap_or_default().trim_end_matches(' ').to_ascii_lowercase();
    let port = base.strip_prefix("com").or_else(|| base.strip_prefix("lpt"));
    let mut number = port.unwrap_or_default().chars();
    matches!(base.as_str(), "con" | "prn" | "aux" | "nul" | "clock$")
        || matches!((number.next(), number.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
}

/// Whether a file of a torrent is padding: marked so (BEP 47), or named as makers without BEP 47 do.
pub(super) fn is_padding(attributes: &[u8], path: &[&[u8]]) -> bool {
    let in_pad_folder = matches!(path, [folder, number]
        if *folder == b".pad" && !number.is_empty() && number.iter().all(u8::is_ascii_digit));
    attributes.contains(&b'p')
        || in_pad_folder
        || path.last().is_some_and(|name| name.starts_with(b"_____padding_file_"))
}

/// How long a path is with a separator between elements, in bytes.
pub(super) fn path_bytes(path: &[String]) -> usize {
    path.iter().map(|element| element.len() + 1).sum::<usize>().saturating_sub(1)
}

/// Renames files until no two have the same path, and none has the path of a folder, where case does not
/// count: the later one gets ` (n)` in front of its extension. Padding, which no one sees, gives way to files.
///
/// Takes time in proportion to the number of elements (times its logarithm), also where all are the same.
pub(super) fn resolve_collisions(files: &mut [File]) {
    let mut names = Names::default();
    let folders: Vec<Folder> = files.iter().map(|file| names.folder_of(&file.path)).collect();
    for padding in [false, true] {
        for (file, folder) in files.iter_mut().zip(&folders).filter(|(file, _)| file.padding == padding) {
            if let Some(name) = file.path.last_mut() {
                names.claim(*folder, name);
            }
        }
    }
}

/// A folder that some file lies in, by number. The download folder is 0.
type Folder = u32;

/// The names in use, folded, below each folder.
#[derive(Default)]
struct Names {
    /// With the number of the folder, if the name is one's.
    taken: BTreeMap<(Folder, String), Option<Folder>>,
    /// For a name that had to be numbered, the next number to try.
    numbers: BTreeMap<(Folder, String), u32>,
    folders: Folder,
}

impl Names {
    fn folder_of(&mut self, path: &[String]) -> Folder {
        let Some((_, folders)) = path.split_last() else { return 0 };
        folders.iter().fold(0, |parent, name| {
            let next = self.folders + 1;
            let folder = *self.taken.entry((parent, fold(name))).or_default().get_or_insert(next);
            self.folders = self.folders.max(folder);
            folder
        })
    }

    /// Takes `name`, or makes it one that is free.
    fn claim(&mut self, folder: Folder, name: &mut String) {
        if self.take(folder, name) {
            return;
        }
        let (stem, extension) = split_extension(name);
        let stem = cut(stem, MAX_ELEMENT_BYTES - NUMBER_BYTES - extension.len());
        let key = (folder, fold(&format!("{stem}{extension}")));
        let first = self.numbers.get(&key).copied().unwrap_or(1);
        let numbered = |number| format!("{stem} ({number}){extension}");
        let free = (first..=u32::MAX).find(|number| self.take(folder, &numbered(*number)));
        let number = free.unwrap_or(u32::MAX);
        self.numbers.insert(key, number.saturating_add(1));
        *name = numbered(number);
    }

    /// Whether `name` was free. It no longer is.
    fn take(&mut self, folder: Folder, name: &str) -> bool {
        match self.taken.entry((folder, fold(name))) {
            Entry::Vacant(vacant) => {
                vacant.insert(None);
                true
            }
            Entry::Occupied(_) => false,
        }
    }
}

/// The same for all names that some file system takes for one because case does not count.
fn fold(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    name.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}
