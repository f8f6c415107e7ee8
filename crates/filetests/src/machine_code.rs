//! The toy runtime as a host of machine code.
//!
//! Objects are addresses in an image of the toy heap (see [`image`]). Without a layout, everything is done by host
//! functions, and nobody reads what is there. With one, code reads and writes the image, and each host function begins
//! and ends with bringing heap and image together. Frames are made from snapshots by the tier 2 interpreter's own
//! routine, so what is tested is what the code does, and where it says that values are.

mod functions;
mod host;

use cranelift_entity::EntityRef;
use functions::host_functions;
use host::{Entry, Host, base, bits, register, take_live, words};
use hotspur_codegen::{
    Code, CodeSpace, Compiler, Constants, Environment, ExecState, ExitTable, Layout, MAX_PARAMS, MAX_VALUES, Options,
    Refusal,
};
use hotspur_interp::toy::{Toy, ToyRef, code_locals, image};
use hotspur_interp::{Leave, Machine, Outcome, Register, Runtime};
use hotspur_ir::{CodeRef, ObjRef, Op, Superblock, Value};

/// The layout of images of this heap, which must have a True and a False.
pub fn layout(toy: &mut Toy) -> Layout {
    use image::{FIRST, SECOND, THIRD};
    let word = |n: usize| 8 * n as i32;
    let [true_object, false_object] = [true, false].map(|b| image::address(base(), Some(toy.box_bool(b))));
    Layout {
        ob_refcnt: word(image::COUNT),
        ob_type: word(image::TYPE),
        tp_version_tag: word(FIRST),
        ht_cached_keys: word(SECOND),
        dk_version: 12,
        ma_keys: word(THIRD),
        func_version: word(SECOND),
        lv_tag: word(FIRST),
        ob_digit: word(SECOND),
        ob_fval: word(FIRST),
        list_ob_item: word(SECOND),
        allocated: None,
        ob_size: word(FIRST),
        tuple_ob_item: word(SECOND),
        ob_ref: word(FIRST),
        inline_values: word(SECOND),
        inline_valid: word(FIRST) + image::VALID_BIT as i32 / 8,
        inline_order: None,
        enumerates: None,
        ob_descr: word(THIRD),
        managed_dict: word(image::DICT),
        f_globals: word(image::NAMESPACES),
        f_builtins: word(image::NAMESPACES + 1),
        md_dict: word(FIRST),
        it_index: word(FIRST),
        it_seq: word(SECOND),
        range_start: word(FIRST),
        range_step: word(SECOND),
        range_len: word(THIRD),
        localsplus: word(image::LOCALS),
        previous: word(image::PREVIOUS),
        // A generator's frame has slots only, at the same distance from its beginning as in other frames.
        gi_iframe: word(image::SLOTS) - word(image::LOCALS),
        instr_ptr: word(image::LOCALS) - word(image::SLOTS) + word(SECOND),
        stacktop: word(image::LOCALS) - word(image::SLOTS) + word(THIRD),
        gi_frame_state: word(FIRST),
        co_code_adaptive: 0,
        coroutine_origin_tracking_depth: word(image::TRACKED),
        // What only executors with a prologue, and passages, read: the image has none of it.
        eval_breaker: 0,
        current_frame: 0,
        landing_kind: 0,
        landing_pc: 0,
        landing_sp: 0,
        landing_frame: 0,
        true_object,
        false_object,
        tables: None,
        boxes: None,
        returns: None,
    }
}

/// Addresses of what a superblock refers to, on the toy heap.
struct ToyConstants<'a>(&'a Toy);

impl Constants for ToyConstants<'_> {
    fn object(&self, object: ObjRef) -> u64 {
        image::address(base(), self.0.constant(object))
    }
    fn code(&self, code: CodeRef) -> u64 {
        image::code_address(code)
    }
    fn locals(&self, code: CodeRef) -> u32 {
        code_locals(code) as u32
    }
    fn instruction(&self, _: CodeRef, pc: u32) -> u64 {
        pc.into()
    }
    fn stream(&self, _: CodeRef) -> u64 {
        0
    }
}

/// A compiler, and memory for code.
#[derive(Debug)]
pub struct Engine {
    compiler: Compiler,
    space: CodeSpace,
}

impl Engine {
    /// An engine.
    ///
    /// # Errors
    /// There is no memory, or Cranelift does not know the machine.
    pub fn new(options: Options) -> Result<Engine, String> {
        let mut compiler = Compiler::new(options)?;
        // SAFETY: the functions have the signatures of the table; code runs in `run` only.
        let space = unsafe { CodeSpace::new(&mut compiler, &host_functions(), 1 << 20) };
        Ok(Engine { compiler, space: space.map_err(|e| e.to_string())? })
    }

    /// How much code memory is used.
    pub fn statistics(&self) -> hotspur_codegen::Statistics {
        self.space.statistics()
    }

    /// Runs a superblock as machine code on the toy runtime, code reading and writing objects by itself if there is a
    /// layout ([`layout`]). Nothing bounds how long that takes.
    ///
    /// # Errors
    /// There is no code.
    pub fn run(
        &mut self,
        sb: &Superblock,
        toy: &mut Toy,
        args: &[Register<ToyRef>],
        layout: Option<&Layout>,
    ) -> Result<(Outcome<ToyRef>, Code), Refusal> {
        let mut exits: Vec<Entry> =
            sb.exits().map(|_| Entry { code: self.space.cold_exit(), temperature: 0 }).collect();
        let table = exits.as_mut_ptr().expose_provenance() as u64;
        let table = ExitTable {
            base: table,
            stride: size_of::<Entry>() as u32,
            code: std::mem::offset_of!(Entry, code) as u32,
        };
        let environment = Environment {
            layout,
            constants: &ToyConstants(toy),
            exits: table,
            valid: 0,
            epoch: 0,
            prologue: None,
            bridge: None,
            failing: None,
            lists: false,
        };
        let code = self.compiler.compile(sb, &environment)?;
        let mut state = ExecState {
            frame: std::ptr::without_provenance_mut(image::frame(base(), 0) as usize),
            // The last block of an image: a thread that nothing is asked of.
            thread: std::ptr::without_provenance_mut(image::frame(base(), image::FRAMES - 1) as usize),
            top: std::ptr::null_mut(),
            exit: std::ptr::null_mut(),
            executor: std::ptr::null_mut(),
            landing: std::ptr::null_mut(),
            result: 0,
            disturbed: 0,
            rounds: 0,
            // What nobody has written must not be read: it is a number of no object.
            values: [0xdead_beef; MAX_VALUES],
            args: [0; MAX_PARAMS],
            host: std::ptr::null_mut(),
        };
        for (slot, arg) in state.args.iter_mut().zip(args) {
            *slot = bits(arg);
        }
        let exits = exits.as_ptr();
        let machine = Machine::new(sb, toy);
        let mut host = Host {
            machine,
            code: &code,
            published: Vec::new(),
            has_layout: layout.is_some(),
            synced: 0,
            exits,
            exit: None,
            errors: Vec::new(),
        };
        state.host = (&raw mut host).cast();
        if host.has_layout {
            host.machine.runtime().write_image(base(), words());
        }
        // SAFETY: nobody executes code of the space; the state is set up, and everything that it refers to lives on.
        unsafe {
            let installed = self.space.install(&code)?;
            hotspur_codegen::enter(&raw mut state, installed.entry());
            self.space.remove(installed);
        }
        assert!(host.errors.is_empty(), "{}\n{sb}", host.errors.join("\n"));
        if host.has_layout {
            host.machine.runtime().read_image(base(), words());
        }
        let id = host.exit.expect("code leaves by an exit");
        let snapshot = code.exits[id.index()].snapshot;
        take_live(&raw mut state, snapshot);
        let op = &sb.insts().filter(|i| i.op.exit_reason().is_some()).nth(id.index()).expect("an exit").op;
        let leave = match op {
            Op::DynamicExit { .. } => Leave::Dynamic(state.result as i64),
            Op::Link { executor, args } => {
                let ty = |v: &Value| sb.values[*v];
                Leave::Link(*executor, args.iter().zip(state.args).map(|(v, bits)| register(ty(v), bits)).collect())
            }
            _ => Leave::Side,
        };
        let outcome = host.machine.leave(id, leave);
        Ok((outcome.unwrap_or_else(|e| panic!("{e}\n{sb}")), code))
    }
}
