//! The bytes of a handshake: what stands where, and how long it may be.

/// The most bytes of each padding: of PadA and PadB between key and marker, and of PadC and PadD.
pub const PAD_MAX: usize = 512;

/// The most bytes that are kept of a peer which talks on before its torrent is identified. Room for the
/// largest initial payload, and for the read buffer of any driver.
pub const REST_MAX: usize = 256 * 1024;

/// The first 20 bytes of a peer that speaks plain BitTorrent (BEP 3).
pub(super) const PROTOCOL: [u8; 20] = *b"\x13BitTorrent protocol";

/// The verification constant, by which both sides find their place in the other's keystream.
pub(super) const VC: [u8; 8] = [0; 8];

/// VC, crypto_provide and the length of PadC.
pub(super) const OFFER_LENGTH: usize = 14;

/// crypto_select and the length of PadD: what stands behind the VC of an answer.
pub(super) const SELECT_LENGTH: usize = 6;

/// What an offer says.
pub(super) struct Offer {
    pub(super) vc: [u8; 8],
    pub(super) provide: u32,
    pub(super) pad: u16,
}

impl Offer {
    pub(super) const fn decode(bytes: [u8; OFFER_LENGTH]) -> Self {
        let [vc @ .., p0, p1, p2, p3, l0, l1] = bytes;
        Self { vc, provide: u32::from_be_bytes([p0, p1, p2, p3]), pad: u16::from_be_bytes([l0, l1]) }
    }
}

/// What an answer says.
pub(super) struct Answer {
    pub(super) select: u32,
    pub(super) pad: u16,
}

impl Answer {
    pub(super) const fn decode([s0, s1, s2, s3, l0, l1]: [u8; SELECT_LENGTH]) -> Self {
        Self { select: u32::from_be_bytes([s0, s1, s2, s3]), pad: u16::from_be_bytes([l0, l1]) }
    }
}
