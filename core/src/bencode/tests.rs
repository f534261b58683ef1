use super::*;
use alloc::{collections::BTreeMap, format, vec, vec::Vec};
use proptest::prelude::*;

/// Deeper than any limit of ours, to see that nothing recurses.
const ALL: Limits = Limits { depth: u16::MAX, tokens: u32::MAX, bytes: usize::MAX };

#[test]
fn errors_tell_where() {
    let strict = |input: &str| Decoder::strict().decode(input.as_bytes()).map(drop).expect_err("rejected");
    for (input, offset, kind) in [
        ("", 0, ErrorKind::UnexpectedEnd),
        ("li1ex", 4, ErrorKind::UnexpectedByte),
        ("li12xe", 4, ErrorKind::UnexpectedByte),
        ("li-03ee", 3, ErrorKind::LeadingZero),
        ("li-0ee", 1, ErrorKind::NegativeZero),
        ("d1:a05:abcdee", 4, ErrorKind::LeadingZero),
        ("l5:abcd", 1, ErrorKind::UnexpectedEnd),
        ("d1:b0:1:a0:e", 6, ErrorKind::UnsortedKey),
        ("d1:ad1:x0:e1:a0:e", 11, ErrorKind::DuplicateKey),
        ("i1ei2e", 3, ErrorKind::TrailingBytes),
    ] {
        assert_eq!(strict(input), Error { offset, kind }, "{input}");
    }
    assert_eq!(format!("{}", strict("i1ex")), "trailing bytes at byte 3");
}

#[test]
fn bad_input_1_deep_lists_in_an_unknown_key_stop_at_the_limit() {
    let bomb = [&b"d1:x"[..], &[b'l'; 20_000], &[b'e'; 20_000], b"e"].concat();
    for (decoder, offset) in [(Decoder::lenient(), 4 + 15), (Decoder::strict(), 4 + 31)] {
        let error = decoder.decode(&bomb).map(drop);
        assert_eq!(error, Err(Error { offset, kind: ErrorKind::TooDeep }));
    }
}

#[test]
fn bad_input_1_depth_takes_no_stack() {
    let deep = [vec![b'l'; 60_000], vec![b'e'; 60_000]].concat();
    let document = Decoder::strict().with_limits(ALL).decode(&deep).expect("deep");
    let mut value = document.root();
    let mut depth = 1;
    while let Some(inner) = value.list().and_then(|mut items| items.next()) {
        value = inner;
        depth += 1;
    }
    assert_eq!((depth, value.raw()), (60_000, &b"le"[..]));
}

#[test]
fn bad_input_2_a_flood_of_tokens_stops_at_the_budget() {
    let flood = [&b"d1:xl"[..], &b"le".repeat(5_000_000), b"ee"].concat();
    let error = Decoder::strict().decode(&flood).map(drop);
    // Three tokens in front of the flood, one for each byte of it.
    let offset = 5 + 3_000_000 - 3;
    assert_eq!(error, Err(Error { offset, kind: ErrorKind::TooManyTokens }));
}

#[test]
fn bad_input_2_ten_megabytes_of_unsorted_keys_take_linear_time() {
    let entries: Vec<u8> =
        (0..900_000).rev().flat_map(|number| format!("7:{number:07}0:").into_bytes()).collect();
    let input = [b"d", &entries[..], b"e"].concat();
    let lenient = Decoder::lenient().with_limits(Limits::FILE);
    let document = lenient.decode(&input).expect("unsorted");
    assert!(!document.root().is_canonical());
    assert_eq!(document.root().dict().map(|dict| dict.iter().count()), Some(900_000));
}

#[test]
fn bad_input_3_what_is_not_canonical_is_refused() {
    for input in [
        "99999999999:",
        "d1:a99999999999:e",
        "18446744073709551616:",
        "04:spam",
        "i-0e",
        "i01e",
        "i-01e",
        "d1:a0:1:a0:e",
        "d1:b0:1:a0:1:b0:e",
    ] {
        assert!(Decoder::strict().decode(input.as_bytes()).is_err(), "{input}");
        assert!(Decoder::lenient().decode(input.as_bytes()).is_err(), "{input}");
    }
}

#[test]
fn bad_input_3_lenient_rules_keep_the_bytes_of_an_unsorted_info_dictionary() {
    let document = Decoder::lenient().decode(b"d4:infod1:b0:1:a0:e4:goodd1:a0:ee").expect("lenient");
    let dict = document.root().dict().expect("dictionary");
    let info = dict.get(b"info").expect("info");
    assert_eq!(info.raw(), b"d1:b0:1:a0:e");
    assert!(!info.is_canonical() && !document.root().is_canonical());
    assert!(dict.get(b"good").is_some_and(Value::is_canonical));
    assert_eq!(info.dict().and_then(|info| info.get(b"a")).and_then(Value::string), Some(&b""[..]));
}

#[test]
fn a_duplicate_among_unsorted_keys_is_found_at_the_end_of_the_dictionary() {
    let error = Decoder::lenient().decode(b"d1:b0:1:a0:1:bi1ee").map(drop);
    assert_eq!(error, Err(Error { offset: 17, kind: ErrorKind::DuplicateKey }));
}

#[test]
fn a_prefix_ends_where_its_value_ends() {
    let input = b"d8:msg_typei1e5:piecei0eeDATA: 5:";
    let (document, used) = Decoder::lenient().decode_prefix(input).expect("dictionary");
    assert_eq!(&input[used..], b"DATA: 5:");
    assert_eq!(document.root().raw(), &input[..used]);
    assert_eq!(Decoder::lenient().decode(input).map(drop).map_err(|error| error.offset), Err(used));
}

#[test]
fn values_are_what_they_are_and_nothing_else() {
    let document = Decoder::strict().decode(b"li-7e2:\xff\x002:hiledee").expect("list");
    assert!(document.root().integer().is_none() && document.root().dict().is_none());
    let items: Vec<_> = document.root().list().expect("list").collect();
    assert_eq!(items[0].integer(), Some(-7));
    assert_eq!((items[0].string(), items[0].list().is_some()), (None, false));
    assert_eq!((items[1].string(), items[1].text()), (Some(&b"\xff\x00"[..]), None));
    assert_eq!((items[2].text(), items[2].integer()), (Some("hi"), None));
    assert_eq!(items[3].list().map(Iterator::count), Some(0));
    assert_eq!(items[4].dict().map(|dict| dict.iter().count()), Some(0));
    assert_eq!(items.iter().map(|item| item.offset()).collect::<Vec<_>>(), [1, 5, 9, 13, 15]);
    assert_eq!(format!("{:?}", items[1]), r"Value(2:\xff\x00)");
}

#[test]
fn a_kept_index_takes_no_new_room() {
    let mut tokens = Tokens::default();
    let packet = b"d1:ad2:id20:aaaaaaaaaaaaaaaaaaaae1:q4:ping1:t2:aa1:y1:qe";
    Decoder::lenient().decode_in(&mut tokens, packet).expect("packet");
    let room = tokens.heap_bytes();
    for _ in 0..100 {
        Decoder::lenient().decode_in(&mut tokens, packet).expect("packet");
        assert!(Decoder::lenient().decode_in(&mut tokens, b"d1:a").is_err());
    }
    assert_eq!(tokens.heap_bytes(), room);
}

#[test]
fn input_beyond_the_budget_of_bytes_is_refused() {
    let decoder = Decoder::strict().with_limits(Limits { bytes: 4, ..Limits::FILE });
    assert!(decoder.decode(b"2:ab").is_ok());
    let error = decoder.decode(b"3:abc").map(drop);
    assert_eq!(error, Err(Error { offset: 4, kind: ErrorKind::TooLong }));
}

#[test]
fn the_writer_reaches_the_ends_of_the_integers() {
    for value in [i64::MIN, -1, 0, 9, 10, i64::MAX] {
        let mut out = Vec::new();
        Writer::new(&mut out).integer(value);
        assert_eq!(out, format!("i{value}e").into_bytes());
        assert_eq!(Decoder::strict().decode(&out).expect("integer").root().integer(), Some(value));
    }
}

#[test]
fn a_key_written_twice_keeps_the_later_value() {
    let mut out = Vec::from(*b"before");
    Writer::new(&mut out).dict(|dict| {
        dict.string(b"b", "long").string(b"c", "").integer(b"b", 1).integer(b"a", 2).integer(b"c", 3);
    });
    assert_eq!(out, b"befored1:ai2e1:bi1e1:ci3ee");
}

#[derive(Clone, Debug, PartialEq)]
enum Tree {
    Integer(i64),
    String(Vec<u8>),
    List(Vec<Self>),
    /// In the order of writing, which need not be that of the keys.
    Dict(Vec<(Vec<u8>, Self)>),
}

proptest! {
    #[test]
    fn what_is_written_is_canonical_and_reads_the_same(tree in tree()) {
        let mut bytes = Vec::new();
        write(&tree, Writer::new(&mut bytes));
        let document = Decoder::strict().decode(&bytes).expect("canonical");
        prop_assert!(document.root().is_canonical());
        prop_assert_eq!(read(document.root()), sorted(tree));
    }

    #[test]
    fn strict_rules_agree_with_another_decoder(input in almost_bencode()) {
        let ours = Decoder::strict().decode(&input).map(drop);
        if ours.map_err(|error| error.kind) != Err(ErrorKind::OutOfRange) {
            prop_assert_eq!(ours.is_ok(), bendy_accepts(&input), "{} {:?}", input.escape_ascii(), ours);
        }
    }

    #[test]
    fn lenient_rules_differ_in_the_order_of_keys_only(input in almost_bencode()) {
        let lenient = Decoder::lenient().with_limits(Limits::FILE).decode(&input);
        match Decoder::strict().decode(&input).map(drop) {
            Ok(()) => prop_assert!(lenient.is_ok_and(|document| document.root().is_canonical())),
            Err(Error { kind: ErrorKind::UnsortedKey, .. }) => {
                prop_assert!(lenient.map_or(true, |document| !document.root().is_canonical()));
            }
            Err(error) => prop_assert_eq!(lenient.map(drop), Err(error)),
        }
    }

    #[test]
    fn any_bytes_at_all_are_survived(input in prop::collection::vec(any::<u8>(), 0..64)) {
        drop(Decoder::strict().decode_prefix(&input));
        drop(Decoder::lenient().decode_prefix(&input));
    }
}

fn tree() -> impl Strategy<Value = Tree> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..12);
    let leaf = prop_oneof![any::<i64>().prop_map(Tree::Integer), bytes().prop_map(Tree::String)];
    leaf.prop_recursive(5, 60, 8, move |inner| {
        let key = prop_oneof![bytes(), prop::collection::vec(0_u8..3, 0..3)];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Tree::List),
            prop::collection::vec((key, inner), 0..8).prop_map(Tree::Dict),
        ]
    })
}

const WORDS: &[&str] =
    &["i", "l", "d", "e", "0", "1", "12", "-", ":", "0:", "1:a", "1:b", "2:ab", "i1e", "i-0e", "x"];

/// Bencode with a few bytes changed, or words of its alphabet at random. Too short to be too deep.
fn almost_bencode() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::collection::vec(prop::sample::select(WORDS), 0..16);
    let random = words.prop_map(|words| words.concat().into_bytes());
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3);
    let changed = (tree(), changes).prop_map(|(tree, changes)| {
        let mut bytes = Vec::new();
        write(&tree, Writer::new(&mut bytes));
        for (index, byte) in changes {
            let place = index.index(bytes.len());
            bytes[place] = byte;
        }
        bytes
    });
    prop_oneof![random, changed]
}

fn write(tree: &Tree, writer: Writer<'_>) {
    match tree {
        Tree::Integer(value) => writer.integer(*value),
        Tree::String(value) => writer.string(value),
        Tree::List(items) => writer.list(|list| write_items(items, list)),
        Tree::Dict(entries) => writer.dict(|dict| write_entries(entries, dict)),
    }
}

fn write_items(items: &[Tree], list: &mut ListWriter<'_>) {
    for item in items {
        match item {
            Tree::Integer(value) => list.integer(*value),
            Tree::String(value) => list.string(value),
            Tree::List(items) => list.list(|list| write_items(items, list)),
            Tree::Dict(entries) => list.dict(|dict| write_entries(entries, dict)),
        };
    }
}

fn write_entries(entries: &[(Vec<u8>, Tree)], dict: &mut DictWriter<'_>) {
    for (key, value) in entries {
        match value {
            Tree::Integer(value) => dict.integer(key, *value),
            Tree::String(value) => dict.string(key, value),
            Tree::List(items) => dict.list(key, |list| write_items(items, list)),
            Tree::Dict(entries) => dict.dict(key, |dict| write_entries(entries, dict)),
        };
    }
}

fn read(value: Value<'_, '_>) -> Tree {
    if let Some(dict) = value.dict() {
        return Tree::Dict(dict.iter().map(|(key, value)| (key.into(), read(value))).collect());
    }
    if let Some(items) = value.list() {
        return Tree::List(items.map(read).collect());
    }
    match (value.integer(), value.string()) {
        (Some(integer), None) => Tree::Integer(integer),
        (None, Some(string)) => Tree::String(string.into()),
        other => panic!("{other:?}"),
    }
}

/// The tree with its dictionaries as they must read: by key, the later of two equal ones.
fn sorted(tree: Tree) -> Tree {
    match tree {
        Tree::List(items) => Tree::List(items.into_iter().map(sorted).collect()),
        Tree::Dict(entries) => {
            let entries: BTreeMap<_, _> =
                entries.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            Tree::Dict(entries.into_iter().collect())
        }
        leaf @ (Tree::Integer(_) | Tree::String(_)) => leaf,
    }
}

fn bendy_accepts(input: &[u8]) -> bool {
    use bendy::decoding::{Decoder, Object};
    // It takes a lone end mark for the end of the input.
    if input.first() == Some(&b'e') {
        return false;
    }
    let mut decoder = Decoder::new(input);
    let length = match decoder.next_object() {
        Ok(Some(Object::List(list))) => list.into_raw().map(<[u8]>::len),
        Ok(Some(Object::Dict(dict))) => dict.into_raw().map(<[u8]>::len),
        Ok(Some(Object::Integer(digits))) => Ok(digits.len() + 2),
        Ok(Some(Object::Bytes(bytes))) => Ok(bytes.len() + format!("{}:", bytes.len()).len()),
        Ok(None) => return false,
        Err(error) => Err(error),
    };
    length.is_ok_and(|length| length == input.len())
}
