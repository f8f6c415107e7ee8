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

impl fmt::Debug for PassSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(Pass::ALL.iter().filter(|&&p| self.contains(p)).map(|p| p.name())).finish()
    }
}
