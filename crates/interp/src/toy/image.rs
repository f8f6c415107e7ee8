//! The toy heap as words in memory, for code that reads and writes objects by itself.
//!
//! Objects and frames have blocks of [`BLOCK`] words in an image, at places that follow from their numbers; references
//! are addresses of blocks. The heap is the truth: [`Toy::write_image`] brings an image up to date before code runs,
//! [`Toy::read_image`] takes over what code has changed before the heap is asked for anything. Where a field lies is
//! said by the constants below, in words.

use super::{Kind, Nullable, Toy, ToyRef};
use hotspur_ir::{CodeRef, ElementKind};

/// Words of a block.
pub const BLOCK: usize = 64;
/// How many objects an image has room for.
pub const OBJECTS: usize = 2048;
/// How many frames.
pub const FRAMES: usize = 16;
/// Words of an image: objects, then frames.
pub const WORDS: usize = (OBJECTS + FRAMES) * BLOCK;

/// Reference count: 32 bits, all ones if immortal.
pub const COUNT: usize = 0;
/// Type.
pub const TYPE: usize = 1;
/// The only field, or the first.
pub const FIRST: usize = 2;
/// The second field.
pub const SECOND: usize = 3;
/// The third field.
pub const THIRD: usize = 4;
/// Keys of a dictionary or of a type's instances: the version is the upper half of the second word there.
pub const KEYS: usize = 8;
/// Where the bit is in the first field of an instance that says that inline values are valid.
pub const VALID_BIT: u32 = 24;
/// Of an instance: zero unless it has a dictionary.
pub const DICT: usize = BLOCK - 1;
/// Globals of a frame; builtins are behind them.
pub const NAMESPACES: usize = 0;
/// Items of a list, elements of an array.
pub const ITEMS: usize = 32;
/// The frame below a frame: of all frames the same.
pub const PREVIOUS: usize = 2;
/// The current instruction of a frame, in that.
pub const POSITION: usize = LOCALS - SLOTS + SECOND;
/// The first local of a frame.
pub const LOCALS: usize = 9;
/// Of the last frame's block, which stands for the thread: whether new coroutines are told where they are made.
pub const TRACKED: usize = 5;
/// The words that most objects have.
const HEAD: usize = 5;
/// The first slot of a generator's frame.
pub const SLOTS: usize = HEAD;
/// What is in those words of objects that were freed.
const FREED: u64 = 0xdddd_dddd_dddd_dddd;
const IMMORTAL: u64 = 0xffff_ffff;

/// The address of an object, null being zero, in an image at this address.
pub fn address(base: u64, object: Nullable) -> u64 {
    object.map_or(0, |o| base + (o.0 as usize * BLOCK * 8) as u64)
}

/// The object at an address.
pub fn object(base: u64, address: u64) -> Nullable {
    (address != 0).then(|| ToyRef((address.wrapping_sub(base) / (BLOCK as u64 * 8)) as u32))
}

/// The address of the frame at a depth.
pub fn frame(base: u64, depth: usize) -> u64 {
    base + ((OBJECTS + depth) * BLOCK * 8) as u64
}

impl Toy {
    /// Writes everything into an image at this address.
    ///
    /// # Panics
    /// There is no room.
    pub fn write_image(&mut self, base: u64, image: &mut [u64]) {
        let mut i = 0;
        while i < self.objects.len() {
            assert!(i < OBJECTS, "room for the object");
            let block = &mut image[i * BLOCK..(i + 1) * BLOCK];
            if self.objects[i].freed {
                block[..HEAD].fill(FREED);
            } else {
                // This may make a type, further behind. An object's type never changes.
                if self.objects[i].class.is_none() {
                    let class = self.class_of(ToyRef(i as u32));
                    self.objects[i].class = Some(class);
                }
                let cell = &self.objects[i];
                let class = cell.class.expect("set above");
                block[COUNT] = if cell.kind.is_immortal() { IMMORTAL } else { cell.count as u64 };
                block[TYPE] = address(base, Some(class));
                let own = base + (i * BLOCK * 8) as u64;
                write_fields(&cell.kind, block, own, &|o| address(base, o));
            }
            i += 1;
        }
        image[(OBJECTS + FRAMES - 1) * BLOCK + TRACKED] = self.tracked.into();
        let below = (OBJECTS + FRAMES - 2) * BLOCK;
        image[below + POSITION] = self.below.last().map_or(0, |f| code_address(f.code) + 2 * u64::from(f.pc));
        for (depth, frame) in self.frames.iter().enumerate() {
            assert!(depth < FRAMES && LOCALS + frame.locals.len() + frame.stack.len() < BLOCK, "room for the frame");
            let block = &mut image[(OBJECTS + depth) * BLOCK..][..BLOCK];
            block.fill(0);
            for (word, namespace) in block[NAMESPACES..].iter_mut().zip(self.namespaces) {
                *word = address(base, namespace);
            }
            let slots = frame.locals.iter().chain(&frame.stack);
            block[LOCALS..].iter_mut().zip(slots).for_each(|(word, &slot)| *word = address(base, slot));
            block[PREVIOUS] = base + (below * 8) as u64;
        }
    }

    /// Takes over what code has changed.
    pub fn read_image(&mut self, base: u64, image: &[u64]) {
        for (i, cell) in self.objects.iter_mut().enumerate() {
            let block = &image[i * BLOCK..(i + 1) * BLOCK];
            if cell.freed {
                if block[..HEAD].iter().any(|&word| word != FREED) {
                    self.faults.push(format!("object {i} was written after it was freed"));
                }
                continue;
            }
            if !cell.kind.is_immortal() {
                cell.count = block[COUNT] as u32 as usize;
            } else if block[COUNT] != IMMORTAL {
                self.faults.push(format!("references to object {i} were counted"));
            }
            read_fields(&mut cell.kind, block, &|word| object(base, word));
        }
        for (depth, frame) in self.frames.iter_mut().enumerate() {
            let block = &image[(OBJECTS + depth) * BLOCK..][..BLOCK];
            let words = &block[LOCALS..];
            let (locals, stack) = words.split_at(frame.locals.len());
            frame.locals.iter_mut().zip(locals).for_each(|(slot, &word)| *slot = object(base, word));
            // Items that were spilled make the stack longer.
            let spilled = stack.iter().rposition(|&word| word != 0).map_or(0, |i| i + 1);
            frame.stack.resize(frame.stack.len().max(spilled), None);
            frame.stack.iter_mut().zip(stack).for_each(|(slot, &word)| *slot = object(base, word));
        }
    }
}

/// How many bytes an element of an array takes.
fn width(typecode: u8) -> usize {
    ElementKind::of_typecode(typecode).map_or(8, ElementKind::width)
}

fn write_fields(kind: &Kind, block: &mut [u64], own: u64, address: &dyn Fn(Nullable) -> u64) {
    let keys = own + (KEYS * 8) as u64;
    let items = |items: &[Nullable], block: &mut [u64], at: usize| {
        assert!(at + items.len() <= BLOCK, "room for the items");
        block[at..].iter_mut().zip(items).for_each(|(word, &item)| *word = address(item));
    };
    match kind {
        Kind::Type { version, .. } => {
            block[FIRST] = (*version).into();
            block[SECOND] = keys;
            block[KEYS + 1] = u64::from(*version) << 32;
        }
        Kind::Int(n) => {
            let compact = n.unsigned_abs() < 1 << 30;
            block[FIRST] = if !compact { 16 } else { [8, 1, 10][(1 - n.signum()) as usize] };
            block[SECOND] = n.unsigned_abs() & 0x3fff_ffff;
        }
        Kind::Float(x) => block[FIRST] = x.to_bits(),
        Kind::Tuple(all) => {
            block[FIRST] = all.len() as u64;
            items(all, block, SECOND);
        }
        Kind::List(all) => {
            block[FIRST] = all.len() as u64;
            block[SECOND] = own + (ITEMS * 8) as u64;
            items(all, block, ITEMS);
        }
        Kind::Array { typecode, elements } => {
            block[FIRST] = elements.len() as u64;
            block[SECOND] = own + (ITEMS * 8) as u64;
            block[THIRD] = keys;
            block[KEYS] = (*typecode).into();
            let width = width(*typecode);
            assert!(ITEMS * 8 + elements.len() * width <= BLOCK * 8, "room for the elements");
            block[ITEMS..].fill(0);
            for (i, bits) in elements.iter().enumerate() {
                let at = i * width;
                block[ITEMS + at / 8] |= bits << (at % 8 * 8);
            }
        }
        Kind::Range(numbers) => block[FIRST..=THIRD].copy_from_slice(&numbers.map(|n| n as u64)),
        Kind::Cell(item) | Kind::Module(item) => block[FIRST] = address(*item),
        Kind::Instance { inline, slots, .. } => {
            block[FIRST] = u64::from(inline.is_some()) << VALID_BIT;
            block[DICT] = inline.is_none().into();
            items(inline.as_deref().unwrap_or(slots), block, SECOND);
        }
        Kind::Dict { keys: version, .. } => {
            block[THIRD] = keys;
            block[KEYS + 1] = u64::from(*version) << 32;
        }
        Kind::Function { version, .. } => block[SECOND] = (*version).into(),
        Kind::ListIter(sequence, index) | Kind::TupleIter(sequence, index) => {
            block[FIRST] = *index as u64;
            block[SECOND] = address(*sequence);
        }
        Kind::RangeIter { next, step, left } => {
            block[FIRST..=THIRD].copy_from_slice(&[*next, *step, *left].map(|n| n as u64));
        }
        Kind::Generator(g) => {
            block[FIRST] = u64::from(g.state.cast_unsigned());
            block[SECOND] = code_address(g.code) + 2 * u64::from(g.pc);
            block[THIRD] = g.slots.len() as u64;
            block[SLOTS..].fill(0);
            items(&g.slots, block, SLOTS);
        }
        Kind::None | Kind::Bool(_) | Kind::Str(_) | Kind::Slice(_) | Kind::Method(_) => {}
    }
}

/// The address that stands for a code object; its instructions, of two bytes, are there.
pub fn code_address(code: CodeRef) -> u64 {
    u64::from(code.as_u32() + 1) << 32
}

/// The code object at an address.
pub fn code_at(address: u64) -> CodeRef {
    CodeRef::from_u32(((address >> 32) as u32).saturating_sub(1))
}

fn read_fields(kind: &mut Kind, block: &[u64], object: &dyn Fn(u64) -> Nullable) {
    let items = |items: &mut [Nullable], at: usize| {
        items.iter_mut().zip(&block[at..]).for_each(|(item, &word)| *item = object(word));
    };
    match kind {
        Kind::List(all) => items(all, ITEMS),
        Kind::Array { typecode, elements } => {
            let width = width(*typecode);
            for (i, bits) in elements.iter_mut().enumerate() {
                let at = i * width;
                *bits = block[ITEMS + at / 8] >> (at % 8 * 8) & (u64::MAX >> (64 - 8 * width));
            }
        }
        Kind::Cell(item) => *item = object(block[FIRST]),
        Kind::Instance { inline, slots, .. } => items(inline.as_deref_mut().unwrap_or(slots), SECOND),
        Kind::ListIter(_, index) | Kind::TupleIter(_, index) => *index = block[FIRST] as i64,
        Kind::RangeIter { next, step, left } => {
            [next, step, left].into_iter().zip(&block[FIRST..]).for_each(|(n, &word)| *n = word as i64);
        }
        Kind::Generator(g) => {
            g.state = block[FIRST] as i8;
            (g.code, g.pc) = (code_at(block[SECOND]), block[SECOND] as u32 / 2);
            // A generator that runs may have got items on its stack; one that is suspended says how many slots it has.
            let used = block[SLOTS..].iter().rposition(|&word| word != 0).map_or(0, |i| i + 1);
            let count = if g.state < 0 { block[THIRD] as u32 as usize } else { used.max(g.slots.len()) };
            g.slots.resize(count, None);
            items(&mut g.slots, SLOTS);
        }
        // Code does not write these by itself.
        Kind::Type { .. }
        | Kind::None
        | Kind::Bool(_)
        | Kind::Int(_)
        | Kind::Float(_)
        | Kind::Str(_)
        | Kind::Tuple(_)
        | Kind::Slice(_)
        | Kind::Range(_)
        | Kind::Method(_)
        | Kind::Dict { .. }
        | Kind::Module(_)
        | Kind::Function { .. } => {}
    }
}
