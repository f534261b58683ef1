//! Where on a web seed the files of a torrent lie (BEP 19).

use crate::{
    bencode::{Decoder, Value},
    metainfo::Info,
};
use alloc::{borrow::ToOwned, format, string::String, vec::Vec};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

/// What stands as it is in an element of a path: the unreserved characters of RFC 3986, 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Whether a web seed can be asked there at all.
pub(super) fn is_usable(url: &str) -> bool {
    let is_http = |scheme: &str| scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    let clean = !url.chars().any(|c| c.is_control() || c.is_whitespace());
    clean && url.split_once("://").is_some_and(|(scheme, rest)| is_http(scheme) && !rest.is_empty())
}

/// Where a file lies: a folder of files below the URL; a single file there, or in there if the URL is that
/// of a folder.
pub(super) fn url(seed: &str, path: &str, multi_file: bool) -> String {
    match (seed.ends_with('/'), multi_file) {
        (true, _) => format!("{seed}{path}"),
        (false, true) => format!("{seed}/{path}"),
        (false, false) => seed.to_owned(),
    }
}

/// The files' paths, escaped, from the torrent's name on: as the info dictionary has them, which is what a
/// server goes by, not as they are fit for every disk.
pub(super) fn paths(info: &Info) -> Vec<String> {
    read_paths(info).filter(|paths| paths.len() == info.files.len()).unwrap_or_else(|| {
        let escaped = |path: &[String]| join(path.iter().map(String::as_bytes));
        info.files.iter().map(|file| escaped(&file.path)).collect()
    })
}

fn read_paths(info: &Info) -> Option<Vec<String>> {
    let document = Decoder::lenient().decode(&info.raw).ok()?;
    let dict = document.root().dict()?;
    let name = dict.get(b"name.utf-8").filter(|name| name.text().is_some()).or_else(|| dict.get(b"name"))?;
    let name = escape(name.string()?);
    let Some(files) = dict.get(b"files") else { return Some(Vec::from([name])) };
    let path = |entry: Value<'_, '_>| {
        let entry = entry.dict()?;
        let is_path = |path: &Value<'_, '_>| {
            let mut elements = path.list().into_iter().flatten().peekable();
            elements.peek().is_some() && elements.all(|element| element.text().is_some())
        };
        let path = entry.get(b"path.utf-8").filter(is_path).or_else(|| entry.get(b"path"))?;
        Some(format!("{name}/{}", join(path.list()?.filter_map(Value::string))))
    };
    files.list()?.map(path).collect()
}

fn join<'a>(elements: impl Iterator<Item = &'a [u8]>) -> String {
    elements.map(escape).collect::<Vec<_>>().join("/")
}

fn escape(element: &[u8]) -> String {
    percent_encode(element, RESERVED).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metainfo::Metainfo;

    fn info(dict: &str) -> Info {
        let torrent = format!("d4:info{dict}e");
        Metainfo::parse(torrent.into_bytes().into()).expect("a torrent").info
    }

    #[test]
    fn a_single_file_is_the_url_itself_unless_that_is_a_folder() {
        let info = info("d6:lengthi1e4:name5:a b?c12:piece lengthi16384e6:pieces20:01234567890123456789e");
        assert_eq!(paths(&info), ["a%20b%3Fc"]);
        assert_eq!(url("http://h/x", "a%20b%3Fc", false), "http://h/x");
        assert_eq!(url("http://h/x/", "a%20b%3Fc", false), "http://h/x/a%20b%3Fc");
    }

    #[test]
    fn a_folder_of_files_lies_below_the_url_under_the_names_of_the_torrent() {
        let files = "5:filesl\
            d6:lengthi1e4:pathl3:sub4:a:#+ee\
            d6:lengthi1e4:pathl2:\u{fc}eee";
        let rest = "4:name4:What12:piece lengthi16384e6:pieces20:01234567890123456789";
        let info = info(&format!("d{files}{rest}e"));
        assert_eq!(info.files[0].path, ["What", "sub", "a_#+"], "no disk would take the colon");
        assert_eq!(paths(&info), ["What/sub/a%3A%23%2B", "What/%C3%BC"]);
        for seed in ["http://h/x", "http://h/x/"] {
            assert_eq!(url(seed, "What/%C3%BC", true), "http://h/x/What/%C3%BC");
        }
    }

    #[test]
    fn only_http_is_asked() {
        for good in ["http://h", "HTTPS://h/x", "http://[::1]:80/"] {
            assert!(is_usable(good), "{good}");
        }
        for bad in ["", "ftp://h/x", "http://", "h/x", "http://h/a b", "http://h/\r\nX: y"] {
            assert!(!is_usable(bad), "{bad}");
        }
    }
}
