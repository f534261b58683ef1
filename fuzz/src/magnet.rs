//! A magnet link that is read, written and read again is the same.

use crate::Reached;
use arbitrary::{Arbitrary, Unstructured};
use convoy_core::metainfo::Magnet;

#[derive(Arbitrary)]
enum Input<'a> {
    Raw(&'a str),
    Made(Vec<(u8, &'a str)>),
}

/// What a parameter may begin with; a hash is ready made.
const PARAMETERS: [&str; 10] = [
    "xt=urn:btih:3211423340ea3ced1dbea08b1f2db228db87b663",
    "xt=urn:btmh:1220caf1e1c30e81cb361b9ee167c4aa64228a7fa4fa9f6105232b28ad099f3a302e",
    "xt=urn:btih:",
    "dn=",
    "tr=",
    "tr.1=udp://",
    "ws=http://",
    "x.pe=[::1]:",
    "so=1-3,",
    "",
];

pub fn run(bytes: &[u8]) -> Reached {
    match Input::arbitrary_take_rest(Unstructured::new(bytes)) {
        Ok(Input::Raw(link)) => read(link),
        Ok(Input::Made(parts)) => {
            let parameter = |(number, value): &(u8, &str)| {
                format!("{}{value}", PARAMETERS[usize::from(*number) % PARAMETERS.len()])
            };
            read(&format!("magnet:?{}", parts.iter().map(parameter).collect::<Vec<_>>().join("&")))
        }
        Err(_) => Reached::default(),
    }
}

fn read(link: &str) -> Reached {
    let mut reached = Reached::default();
    let magnet = Magnet::parse(link);
    reached.add_variant(&magnet.as_ref().map(|_| ()));
    let Ok(magnet) = magnet else { return reached };
    let parts = [
        ("v2", magnet.info_hash_v2.is_some()),
        ("name", magnet.name.is_some()),
        ("trackers", !magnet.trackers.is_empty()),
        ("web seeds", !magnet.web_seeds.is_empty()),
        ("peers", !magnet.peers.is_empty()),
        ("select", !magnet.select.is_empty()),
        ("nodes", !magnet.nodes.is_empty()),
    ];
    parts.iter().filter(|(_, has)| *has).for_each(|(name, _)| reached.add(name));
    assert_eq!(Magnet::parse(&magnet.to_string()), Ok(magnet));
    reached
}
