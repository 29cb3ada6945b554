//! An opcode taken apart: `mad.lo.u32` is the mnemonic `mad` with the words `lo` and `u32`.

use super::inst::Type;

pub type Result<T> = std::result::Result<T, String>;

/// An instruction's opcode and operands as text.
pub struct Opcode<'a> {
    pub text: &'a str,
    /// The first word.
    pub mnemonic: &'a str,
    /// The others, in order.
    pub words: Vec<&'a str>,
    pub operands: &'a [&'a str],
    /// The last word that is a type.
    ty: Option<Type>,
}

impl<'a> Opcode<'a> {
    pub fn new(text: &'a str, operands: &'a [&'a str]) -> Self {
        let mut all = text.split('.');
        let mnemonic = all.next().unwrap_or_default();
        let words: Vec<&str> = all.collect();
        let ty = words.iter().rev().find_map(|word| Type::parse(word));
        Opcode { text, mnemonic, words, operands, ty }
    }

    pub fn has(&self, word: &str) -> bool {
        self.words.contains(&word)
    }

    /// Whether every word is a type or one of these.
    pub fn consists_of(&self, known: &[&[&str]]) -> bool {
        let fits = |word: &&str| Type::parse(word).is_some() || known.iter().any(|words| words.contains(word));
        self.words.iter().all(fits)
    }

    /// The type that it computes in.
    pub fn ty(&self) -> Result<Type> {
        self.ty.ok_or_else(|| self.unknown())
    }

    pub fn signed(&self) -> bool {
        self.ty.is_some_and(Type::signed)
    }

    /// The choice beside the first of these words that it has.
    pub fn choose<T: Copy>(&self, choices: &[(&str, T)]) -> Result<T> {
        let found = choices.iter().find(|(word, _)| self.has(word));
        found.map(|(_, choice)| *choice).ok_or_else(|| self.unknown())
    }

    pub fn unknown(&self) -> String {
        format!("found `{}`, which is not emulated", self.text)
    }
}
