//! One pass over an input that checks the grammar and fills the token index.

use super::{
    Limits, Rules,
    document::{Kind, Token, Tokens},
    error::{Error, ErrorKind},
    terminal::{self, Fault},
};
use alloc::vec::Vec;

/// Room for the tokens of a DHT packet, so that reading one allocates at most once.
const FIRST_TOKENS: usize = 32;

/// Reads the value at the start of `input` into `tokens` and tells where it ends.
pub(super) fn scan(rules: Rules, limits: Limits, input: &[u8], tokens: &mut Tokens) -> Result<usize, Error> {
    tokens.0.clear();
    tokens.0.reserve(FIRST_TOKENS);
    let bytes = limits.bytes.min(u32::MAX as usize);
    if input.len() > bytes {
        return Err(Error { offset: bytes, kind: ErrorKind::TooLong });
    }
    let tokens = &mut tokens.0;
    Scan { rules, limits, input, tokens, at: 0, depth: 0, parent: Token::NONE, in_dict: false, key: None }
        .run()
}

struct Scan<'t, 'a> {
    rules: Rules,
    limits: Limits,
    input: &'a [u8],
    tokens: &'t mut Vec<Token>,
    /// Where the next byte to read is.
    at: usize,
    depth: u16,
    /// The innermost open container. It leads to its own parent by [`Token::next`].
    parent: u32,
    /// Whether `parent` is a dictionary.
    in_dict: bool,
    /// The last key of `parent`, if it is a dictionary and has one yet.
    key: Option<&'a [u8]>,
}

impl<'a> Scan<'_, 'a> {
    /// Reads a value (for a container: its first byte), then whatever must come before the next value.
    fn run(mut self) -> Result<usize, Error> {
        loop {
            match self.peek()? {
                b'0'..=b'9' => drop(self.string()?),
                b'i' => self.integer()?,
                b'l' => self.open(Kind::List)?,
                b'd' => self.open(Kind::Dict)?,
                b'e' if self.in_dict => return Err(self.error(ErrorKind::MissingValue)),
                _ => return Err(self.error(ErrorKind::UnexpectedByte)),
            }
            while self.parent != Token::NONE && self.peek()? == b'e' {
                self.close()?;
            }
            if self.parent == Token::NONE {
                // The end of the last value, for whoever asks for its range.
                self.tokens.push(token(self.at, Token::NONE, Kind::End));
                return Ok(self.at);
            }
            if self.in_dict {
                self.key()?;
            }
        }
    }

    #[inline]
    fn string(&mut self) -> Result<&'a [u8], Error> {
        let from = self.rest();
        let (rest, length) = terminal::length(from).map_err(|fault| self.fault(fault))?;
        let Some((string, rest)) = rest.split_at_checked(length) else {
            return Err(self.error(ErrorKind::UnexpectedEnd));
        };
        let used = from.len() - rest.len();
        let header = (used - length) as u8;
        self.push(Token { header, ..token(self.at, self.following(), Kind::String) })?;
        self.at += used;
        Ok(string)
    }

    #[inline]
    fn integer(&mut self) -> Result<(), Error> {
        let from = self.rest();
        let (rest, _) = terminal::integer(from).map_err(|fault| self.fault(fault))?;
        self.push(token(self.at, self.following(), Kind::Integer))?;
        self.at += from.len() - rest.len();
        Ok(())
    }

    #[inline]
    fn open(&mut self, kind: Kind) -> Result<(), Error> {
        if self.depth >= self.limits.depth {
            return Err(self.error(ErrorKind::TooDeep));
        }
        let index = self.tokens.len() as u32;
        self.push(token(self.at, self.parent, kind))?;
        self.depth += 1;
        self.at += 1;
        self.parent = index;
        self.in_dict = kind == Kind::Dict;
        self.key = None;
        Ok(())
    }

    /// Ends the innermost container and goes back to its parent.
    #[inline]
    fn close(&mut self) -> Result<(), Error> {
        self.push(token(self.at, self.following(), Kind::End))?;
        let closed = self.parent;
        let next = self.tokens.len() as u32;
        let Some(container) = self.tokens.get_mut(closed as usize) else {
            return Err(self.error(ErrorKind::UnexpectedByte));
        };
        self.parent = core::mem::replace(&mut container.next, next);
        let canonical = container.canonical;
        if !canonical && container.kind == Kind::Dict {
            self.check_unique(closed)?;
        }
        self.at += 1;
        self.depth -= 1;
        let parent = self.tokens.get_mut(self.parent as usize);
        self.in_dict = parent.as_ref().is_some_and(|parent| parent.kind == Kind::Dict);
        if let Some(parent) = parent {
            parent.canonical &= canonical;
        }
        // In a dictionary, the key of the value that ends here is the entry in front of it.
        self.key = if self.in_dict { self.string_at(closed.wrapping_sub(1)) } else { None };
        Ok(())
    }

    /// Reads a key and sees that it may stand behind the last one.
    #[inline]
    fn key(&mut self) -> Result<(), Error> {
        let at = self.at;
        if !self.peek()?.is_ascii_digit() {
            return Err(self.error(ErrorKind::KeyNotString));
        }
        let key = self.string()?;
        let last = self.key.replace(key);
        if last.is_none_or(|last| last < key) {
            return Ok(());
        }
        if last == Some(key) {
            return Err(Error { offset: at, kind: ErrorKind::DuplicateKey });
        }
        if self.rules == Rules::Strict {
            return Err(Error { offset: at, kind: ErrorKind::UnsortedKey });
        }
        if let Some(parent) = self.tokens.get_mut(self.parent as usize) {
            parent.canonical = false;
        }
        Ok(())
    }

    /// Sees that no key of the dictionary stands in it twice: in sorted order, equal keys are neighbours.
    #[cold]
    fn check_unique(&self, dict: u32) -> Result<(), Error> {
        let mut keys = Vec::new();
        let mut index = dict + 1;
        while let Some(key) = self.string_at(index) {
            keys.push(key);
            let Some(value) = self.tokens.get(index as usize + 1) else { break };
            index = value.next;
        }
        keys.sort_unstable();
        match keys.array_windows().any(|[one, two]| one == two) {
            true => Err(self.error(ErrorKind::DuplicateKey)),
            false => Ok(()),
        }
    }

    fn string_at(&self, index: u32) -> Option<&'a [u8]> {
        let token = self.tokens.get(index as usize).filter(|token| token.kind == Kind::String)?;
        let end = self.tokens.get(token.next as usize)?.start as usize;
        self.input.get(token.start as usize + usize::from(token.header)..end)
    }

    #[inline]
    fn push(&mut self, token: Token) -> Result<(), Error> {
        if self.tokens.len() >= self.limits.tokens as usize {
            return Err(self.error(ErrorKind::TooManyTokens));
        }
        self.tokens.push(token);
        Ok(())
    }

    /// The number of the entry behind the one that is pushed next.
    fn following(&self) -> u32 {
        self.tokens.len() as u32 + 1
    }

    #[inline]
    fn peek(&self) -> Result<u8, Error> {
        self.input.get(self.at).copied().ok_or_else(|| self.error(ErrorKind::UnexpectedEnd))
    }

    #[inline]
    fn rest(&self) -> &'a [u8] {
        self.input.get(self.at..).unwrap_or_default()
    }

    const fn error(&self, kind: ErrorKind) -> Error {
        Error { offset: self.at, kind }
    }

    #[cold]
    fn fault(&self, fault: nom::Err<Fault<'_>>) -> Error {
        match fault {
            nom::Err::Error(fault) | nom::Err::Failure(fault) => {
                Error { offset: self.input.len() - fault.at.len(), kind: fault.kind }
            }
            nom::Err::Incomplete(_) => Error { offset: self.input.len(), kind: ErrorKind::UnexpectedEnd },
        }
    }
}

const fn token(start: usize, next: u32, kind: Kind) -> Token {
    Token { start: start as u32, next, kind, header: 0, canonical: true }
}
