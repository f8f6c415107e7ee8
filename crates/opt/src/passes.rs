//! The table of passes, and sets of them.

use core::fmt;

macro_rules! passes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:ident;)*) => {
        /// A pass of the optimizer.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Pass { $($(#[doc = $doc])+ $variant),* }

        impl Pass {
            /// Every pass, in the order of the table.
            pub const ALL: &[Pass] = &[$(Pass::$variant),*];

            /// Its name, in tests and options.
            pub const fn name(self) -> &'static str {
                match self { $(Pass::$variant => stringify!($name)),* }
            }
        }
    };
}

passes! {
    /// Simplification along the superblock: guards, constants, common subexpressions, loads and stores.
    Fold = fold;
    /// Slots of frames become parameters of the loop.
    Promote = promote;
    /// The first round of the loop becomes part of the prefix, so that `fold` finds what does not change from round to round.
    Peel = peel;
    /// Parameters of the loop that are boxes become unboxed.
    Unbox = unbox;
    /// Objects that only snapshots know are not built.
    Sink = sink;
    /// References that are taken and dropped again in vain.
    Refcount = refcount;
    /// Boxes that are made of dying ones.
    Reuse = reuse;
    /// Checks that the ranges of integers make unnecessary.
    Ranges = ranges;
    /// Ops whose results nobody needs.
    Dce = dce;
}

impl Pass {
    /// The pass with this name.
    pub fn from_name(name: &str) -> Option<Pass> {
        Pass::ALL.iter().copied().find(|p| p.name() == name)
    }
}

/// A set of passes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PassSet(u32);

impl PassSet {
    /// No pass: superblocks stay as they are.
    pub const NONE: PassSet = PassSet(0);
    /// Every pass.
    pub const ALL: PassSet = PassSet((1 << Pass::ALL.len()) - 1);

    /// The set with the pass.
    pub const fn with(self, pass: Pass) -> PassSet {
        PassSet(self.0 | 1 << pass as u32)
    }

    /// The set without the pass.
    pub const fn without(self, pass: Pass) -> PassSet {
        PassSet(self.0 & !(1 << pass as u32))
    }

    /// The set as a number, for [`PassSet::from_bits`].
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The set that the number stands for; bits that no pass has are ignored.
    pub const fn from_bits(bits: u32) -> PassSet {
        PassSet(bits & PassSet::ALL.0)
    }

    /// The set that a text describes: `all`, `none`, and names of passes, with commas between them; a name with `-` in front
    /// takes the pass away. It begins with all passes if the first thing that it says is to take one away, else with none.
    ///
    /// # Errors
    /// A message for the user.
    pub fn parse(text: &str) -> Result<PassSet, String> {
        let words = || text.split(',').map(str::trim).filter(|word| !word.is_empty());
        let takes_away = words().next().is_some_and(|word| word.starts_with('-'));
        let mut set = if takes_away { PassSet::ALL } else { PassSet::NONE };
        for word in words() {
            let pass = |name| {
                let names = || Pass::ALL.iter().map(|p| p.name()).collect::<Vec<_>>().join(", ");
                Pass::from_name(name).ok_or_else(|| format!("there is no pass {name:?}, but all, none, {}", names()))
            };
            set = match word {
                "all" => PassSet::ALL,
                "none" => PassSet::NONE,
                _ => match word.strip_prefix('-') {
                    Some(name) => set.without(pass(name)?),
                    None => set.with(pass(word)?),
                },
            };
        }
        Ok(set)
    }

    /// Whether the pass is in it.
    pub const fn contains(self, pass: Pass) -> bool {
        self.0 & 1 << pass as u32 != 0
    }
}

impl FromIterator<Pass> for PassSet {
    fn from_iter<I: IntoIterator<Item = Pass>>(passes: I) -> PassSet {
        passes.into_iter().fold(PassSet::NONE, PassSet::with)
    }
}

/// As [`PassSet::parse`] reads it.
impl fmt::Display for PassSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            PassSet::ALL => f.write_str("all"),
            PassSet::NONE => f.write_str("none"),
            _ => {
                let names: Vec<_> = Pass::ALL.iter().filter(|&&p| self.contains(p)).map(|p| p.name()).collect();
                f.write_str(&names.join(","))
            }
        }
    }
}

impl fmt::Debug for PassSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(Pass::ALL.iter().filter(|&&p| self.contains(p)).map(|p| p.name())).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_as_text() {
        let parse = |text| PassSet::parse(text).map(|set| set.to_string());
        assert_eq!(parse("all").as_deref(), Ok("all"));
        assert_eq!(parse("").as_deref(), Ok("none"));
        assert_eq!(parse("fold, dce").as_deref(), Ok("fold,dce"));
        assert_eq!(PassSet::parse("-peel"), Ok(PassSet::ALL.without(Pass::Peel)));
        assert_eq!(PassSet::parse("none,dce"), Ok(PassSet::NONE.with(Pass::Dce)));
        assert!(parse("inline").is_err_and(|message| message.contains("\"inline\"")));
        for &pass in Pass::ALL {
            let set = PassSet::ALL.without(pass);
            assert_eq!(PassSet::parse(&set.to_string()), Ok(set));
            assert_eq!(PassSet::from_bits(set.bits()), set);
        }
    }
}
