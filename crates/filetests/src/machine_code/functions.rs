//! The host functions, each of which asks the toy to do it.

use super::host::{
    Entry, Synced, base, bits, host, nullable, object, publish_snapshot, reference, register, toy, word,
};
use core::ffi::c_void;
use cranelift_entity::EntityRef;
use hotspur_codegen::{ExecState, HostFunctions, Object};
use hotspur_interp::toy::{ToyRef, image};
use hotspur_interp::{Register, Runtime};
use hotspur_ir::{CodeRef, ExitId, FloatKind, Helper, IntKind, Moves, Op, SnapshotId, VirtualKind};

/// Host functions: a row gives the arguments after the state, and what is done with the toy.
macro_rules! functions {
    ($($name:ident |$t:ident $(, $arg:ident: $ty:ty)*| $(-> $result:ty)? $body:block)*) => {
        $(extern "C-unwind" fn $name(state: *mut ExecState $(, $arg: $ty)*) $(-> $result)? {
            let _synced = Synced::new(state);
            let $t = toy(state);
            $body
        })*
    };
}

functions! {
    load_local |t, depth: u32, index: u32| -> Object { word(t.load_local(depth as usize, index as usize)) }
    load_stack |t, depth: u32, index: u32| -> Object { word(t.load_stack(depth as usize, index as usize)) }
    load_globals |t, depth: u32| -> Object { word(Some(t.globals(depth as usize))) }
    load_builtins |t, depth: u32| -> Object { word(Some(t.builtins(depth as usize))) }
    spill_local |t, depth: u32, index: u32, value: Object| {
        t.spill_local(depth as usize, index as usize, nullable(value));
    }
    spill_stack |t, depth: u32, index: u32, value: Object| {
        t.spill_stack(depth as usize, index as usize, nullable(value));
    }
    pop_frame |t| { t.pop_frame(); }
    is_plain_frame |t| -> bool { t.is_plain_frame() }
    type_of |t, value: Object| -> Object { word(Some(t.type_of(object(value)))) }
    type_version |t, value: Object| -> u32 { t.type_version(object(value)) }
    class_version |t, class: Object| -> u32 { t.class_version(object(class)) }
    keys_version |t, value: Object| -> u32 { t.keys_version(object(value)) }
    shared_keys_version |t, value: Object| -> u32 { t.shared_keys_version(object(value)) }
    instance_keys_version |t, class: Object| -> u32 { t.instance_keys_version(object(class)) }
    global_version |t, value: Object| -> u32 { t.global_version(object(value)) }
    function_version |t, value: Object| -> u32 { t.function_version(object(value)) }
    is_compact |t, value: Object| -> bool { t.is_compact(object(value)) }
    is_wide |t, value: Object| -> bool { t.is_wide(object(value)) }
    has_inline_values |t, value: Object| -> bool { t.has_inline_values(object(value)) }
    has_no_dict |t, value: Object| -> bool { !t.has_dict(object(value)) }
    is_shared |t, value: Object| -> bool { t.refcount(object(value)) != 1 }
    is_periodic_due |t| -> bool { t.is_periodic_due() }
    has_stack_space |t| -> bool { t.has_stack_space() }
    unbox_i64 |t, value: Object| -> i64 { t.unbox_i64(object(value)) }
    unbox_wide |t, value: Object| -> i64 { t.unbox_wide(object(value)) }
    box_i64 |t, value: i64| -> Object { word(Some(t.box_i64(value))) }
    unbox_f64 |t, value: Object| -> f64 { t.unbox_f64(object(value)) }
    box_f64 |t, value: f64| -> Object { word(Some(t.box_f64(value))) }
    unbox_bool |t, value: Object| -> bool { t.unbox_bool(object(value)) }
    box_bool |t, value: bool| -> Object { word(Some(t.box_bool(value))) }
    load_inline |t, value: Object, index: u32| -> Object { word(t.load_inline(object(value), index as usize)) }
    store_inline |t, value: Object, index: u32, content: Object| {
        t.store_inline(object(value), index as usize, nullable(content));
    }
    load_slot |t, value: Object, offset: u32| -> Object { word(t.load_slot(object(value), offset as usize)) }
    store_slot |t, value: Object, offset: u32, content: Object| {
        t.store_slot(object(value), offset as usize, nullable(content));
    }
    list_len |t, list: Object| -> i64 { t.list_len(object(list)) }
    list_items |t, list: Object| -> u64 { t.list_items(object(list)) }
    load_item |t, items: u64, index: i64| -> Object { word(t.load_item(items, index)) }
    store_item |t, items: u64, index: i64, content: Object| { t.store_item(items, index, nullable(content)); }
    tuple_len |t, tuple: Object| -> i64 { t.tuple_len(object(tuple)) }
    load_tuple_item |t, tuple: Object, index: i64| -> Object { word(t.load_tuple_item(object(tuple), index)) }
    typecode |t, array: Object| -> u32 { t.typecode(object(array)) }
    array_len |t, array: Object| -> i64 { t.array_len(object(array)) }
    array_elements |t, array: Object, offset: u32| -> u64 { t.array_elements(object(array), offset as usize) }
    inner_elements |t, array: Object, offset: u32| -> u64 { t.inner_elements(object(array), offset as usize) }
    load_element_i64 |t, elements: u64, index: i64, kind: u32| -> i64 {
        t.load_element_i64(elements, index, IntKind::ALL[kind as usize])
    }
    load_element_f64 |t, elements: u64, index: i64, kind: u32| -> f64 {
        t.load_element_f64(elements, index, FloatKind::ALL[kind as usize])
    }
    store_element_i64 |t, elements: u64, index: i64, kind: u32, content: i64| {
        t.store_element_i64(elements, index, IntKind::ALL[kind as usize], content);
    }
    store_element_f64 |t, elements: u64, index: i64, kind: u32, content: f64| {
        t.store_element_f64(elements, index, FloatKind::ALL[kind as usize], content);
    }
    load_cell |t, cell: Object| -> Object { word(t.load_cell(object(cell))) }
    store_cell |t, cell: Object, content: Object| { t.store_cell(object(cell), nullable(content)); }
    load_dict_value |t, dict: Object, index: u32| -> Object { word(t.load_dict_value(object(dict), index as usize)) }
    store_dict_value |t, dict: Object, index: u32, content: Object| {
        t.store_dict_value(object(dict), index as usize, nullable(content));
    }
    module_dict |t, module: Object| -> Object { word(Some(t.module_dict(object(module)))) }
    incref |t, value: Object| { t.incref(object(value)); }
    decref |t, value: Object| -> bool { t.drop_reference(object(value)) }
    decref_no_dealloc |t, value: Object| { t.decref_no_dealloc(object(value)); }
    dealloc_simple |t, value: Object| { t.dealloc(object(value)); }
    list_iter_next |t, iter: Object| -> Object { word(t.list_iter_next(object(iter))) }
    tuple_iter_next |t, iter: Object| -> Object { word(t.tuple_iter_next(object(iter))) }
    range_iter_next |t, iter: Object| -> i64 { t.range_iter_next(object(iter)).unwrap_or(i64::MIN) }
    is_iter_done |t, iter: Object| -> bool { t.is_iter_done(object(iter)) }
    is_suspended_at |t, generator: Object, code: Object, pc: u32| -> bool {
        t.is_suspended_at(object(generator), code_ref(code), pc)
    }
    is_untracked |t| -> bool { t.is_untracked() }
    load_generator |t, generator: Object, index: u32| -> Object {
        word(t.load_generator(object(generator), index as usize))
    }
    store_generator |t, generator: Object, index: u32, content: Object| {
        t.store_generator(object(generator), index as usize, nullable(content));
    }
    generator_globals |t, generator: Object| -> Object { word(Some(t.generator_globals(object(generator)))) }
    generator_builtins |t, generator: Object| -> Object { word(Some(t.generator_builtins(object(generator)))) }
    resume_generator |t, generator: Object| { t.resume_generator(object(generator)); }
    suspend_generator |t, generator: Object, code: Object, pc: u32, stack: u32, delegates: bool| {
        t.suspend_generator(object(generator), code_ref(code), pc, stack as usize, delegates);
    }
    pop_generator |t| { t.pop_generator(); }
    is_caller_at |t, code: Object, pc: u32| -> bool { t.is_caller_at(code_ref(code), pc) }
    unlink_first |t| -> Object { word(Some(t.unlink_first())) }
}

fn code_ref(code: Object) -> CodeRef {
    image::code_at(code.addr() as u64)
}

/// There may be another top frame.
fn set_top(state: *mut ExecState) {
    let depth = toy(state).frames().len().saturating_sub(1);
    // SAFETY: the state is in use by a host function only.
    unsafe { (*state).top = std::ptr::without_provenance_mut(image::frame(base(), depth) as usize) };
}

extern "C-unwind" fn push_frame(
    state: *mut ExecState,
    code: Object,
    caller_pc: u32,
    _caller_stack: u32,
    function: Object,
    count: u32,
) {
    let _synced = Synced::new(state);
    // SAFETY: the state is in use by this function only.
    let locals = unsafe { &(&(*state).values)[..count as usize] };
    let locals = locals.iter().map(|&bits| reference(bits)).collect();
    toy(state).push_frame(code_ref(code), caller_pc, object(function), locals);
    set_top(state);
}

extern "C-unwind" fn return_value(state: *mut ExecState, value: Object, count: u32) {
    {
        let _synced = Synced::new(state);
        // SAFETY: as in `push_frame`.
        let dropped = unsafe { &(&(*state).values)[..count as usize] };
        let dropped = dropped.iter().map(|&bits| reference(bits)).collect();
        toy(state).return_value(object(value), dropped);
    }
    set_top(state);
}

extern "C-unwind" fn land(_: *mut ExecState, _: Object, _: Object) {
    unreachable!("the layout knows no returns")
}

extern "C-unwind" fn give_back(_: *mut ExecState, _: Object) {
    unreachable!("the layout knows no returns")
}

extern "C-unwind" fn dealloc_returning(_: *mut ExecState, _: Object) {
    unreachable!("the layout knows no returns")
}

extern "C-unwind" fn push_generator(state: *mut ExecState, generator: Object, caller_pc: u32, _caller_stack: u32) {
    let _synced = Synced::new(state);
    toy(state).push_generator(object(generator), caller_pc);
    set_top(state);
}

extern "C-unwind" fn finish_generator(state: *mut ExecState, snapshot: u32, generator: Object) {
    let _synced = Synced::new(state);
    publish_snapshot(state, snapshot);
    toy(state).finish_generator(object(generator));
    withdraw(state);
}

extern "C-unwind" fn new_generator(
    state: *mut ExecState,
    code: Object,
    pc: u32,
    function: Object,
    count: u32,
) -> Object {
    let _synced = Synced::new(state);
    // SAFETY: as in `push_frame`.
    let locals = unsafe { &(&(*state).values)[..count as usize] };
    let locals = locals.iter().map(|&bits| reference(bits)).collect();
    word(Some(toy(state).new_generator(code_ref(code), pc, object(function), locals)))
}

extern "C-unwind" fn build(state: *mut ExecState, kind: u32, count: u32) -> Object {
    let _synced = Synced::new(state);
    let kind = VirtualKind::ALL[kind as usize];
    // SAFETY: as in `push_frame`.
    let fields = unsafe { &(&(*state).values)[..count as usize] };
    let fields = fields.iter().enumerate().map(|(i, &bits)| register(kind.field_type(i), bits)).collect();
    word(Some(toy(state).build(kind, fields)))
}

extern "C-unwind" fn new_instance(state: *mut ExecState, class: Object) -> Object {
    let _synced = Synced::new(state);
    let class = object(class);
    toy(state).incref(class);
    word(Some(toy(state).build(VirtualKind::Instance, vec![Register::Obj(Some(class))])))
}

extern "C-unwind" fn publish(state: *mut ExecState, snapshot: u32) {
    let _synced = Synced::new(state);
    publish_snapshot(state, snapshot);
}

extern "C-unwind" fn withdraw(state: *mut ExecState) {
    let _synced = Synced::new(state);
    // SAFETY: as in `toy`.
    let host = unsafe { host(state) };
    if let Some(published) = host.published.pop() {
        host.machine.withdraw(published);
    }
}

extern "C-unwind" fn settle(_: *mut ExecState, _: u32) {
    unreachable!("there is no epoch")
}

extern "C-unwind" fn is_valid(state: *mut ExecState) -> bool {
    let _synced = Synced::new(state);
    // SAFETY: as in `toy`.
    unsafe { host(state) }.machine.is_undisturbed()
}

extern "C-unwind" fn dealloc_published(state: *mut ExecState, snapshot: u32, value: Object) -> bool {
    let _synced = Synced::new(state);
    publish_snapshot(state, snapshot);
    toy(state).dealloc(object(value));
    withdraw(state);
    is_valid(state)
}

extern "C-unwind" fn execute(state: *mut ExecState, snapshot: u32, pc: u64, _frame: u64, _sp: u64, _stream: u64) {
    let _synced = Synced::new(state);
    publish_snapshot(state, snapshot);
    // SAFETY: as in `toy`.
    unsafe { host(state) }.published.clear();
    // SAFETY: as above.
    let sb = unsafe { host(state) }.machine.superblock();
    let moves = sb.insts().find_map(|inst| match inst.op {
        Op::Execute { pc: at, moves }
            if u64::from(at) == pc && inst.snapshot == Some(SnapshotId::from_u32(snapshot)) =>
        {
            Some(moves)
        }
        _ => None,
    });
    toy(state).execute(pc as u32, moves.expect("the op is in the superblock"));
    set_top(state);
}

extern "C-unwind" fn has_landed(state: *mut ExecState, code: Object, pc: u32, moves: u32, stack: u32) -> bool {
    let _synced = Synced::new(state);
    is_valid(state) && toy(state).has_landed(code_ref(code), pc, Moves::ALL[moves as usize], stack as usize)
}

extern "C-unwind" fn side_exit(state: *mut ExecState) -> *const u8 {
    // SAFETY: as in `toy`; the exit is an entry of the table.
    let (host, exit) = unsafe { (host(state), (*state).exit.cast::<Entry>().cast_const()) };
    let index = (exit.addr() - host.exits.addr()) / size_of::<Entry>();
    host.exit = Some(ExitId::new(index));
    std::ptr::null()
}

fn helper(state: *mut ExecState, helper: Helper, args: &[Register<ToyRef>]) -> u64 {
    let _synced = Synced::new(state);
    let result = toy(state).call_helper(helper, args);
    result.as_ref().map_or(0, bits)
}

fn obj(object: Object) -> Register<ToyRef> {
    Register::Obj(nullable(object))
}

/// Functions for helpers, by the shape of their arguments.
macro_rules! helpers {
    ($($shape:ident: $($helper:ident)*;)*) => {
        fn helper_functions() -> [*const c_void; Helper::ALL.len()] {
            Helper::ALL.iter().map(|helper| match helper {
                $($(Helper::$helper => helpers!(@function $shape $helper),)*)*
            }).collect::<Vec<_>>().try_into().expect("one for each")
        }
    };
    (@function one $helper:ident) => {{
        extern "C-unwind" fn f(state: *mut ExecState, a: Object) -> u64 { helper(state, Helper::$helper, &[obj(a)]) }
        f as *const c_void
    }};
    (@function two $helper:ident) => {{
        extern "C-unwind" fn f(state: *mut ExecState, a: Object, b: Object) -> u64 {
            helper(state, Helper::$helper, &[obj(a), obj(b)])
        }
        f as *const c_void
    }};
    (@function three $helper:ident) => {{
        extern "C-unwind" fn f(state: *mut ExecState, a: Object, b: Object, c: Object) -> u64 {
            helper(state, Helper::$helper, &[obj(a), obj(b), obj(c)])
        }
        f as *const c_void
    }};
    (@function four $helper:ident) => {{
        extern "C-unwind" fn f(state: *mut ExecState, a: Object, b: Object, c: Object, d: Object) -> u64 {
            helper(state, Helper::$helper, &[obj(a), obj(b), obj(c), obj(d)])
        }
        f as *const c_void
    }};
    (@function operator $helper:ident) => {{
        extern "C-unwind" fn f(state: *mut ExecState, a: Object, b: Object, n: i64) -> u64 {
            helper(state, Helper::$helper, &[obj(a), obj(b), Register::I64(n)])
        }
        f as *const c_void
    }};
    (@function numbered $helper:ident) => {{
        extern "C-unwind" fn f(state: *mut ExecState, a: Object, n: i64) -> u64 {
            helper(state, Helper::$helper, &[obj(a), Register::I64(n)])
        }
        f as *const c_void
    }};
    (@function many $helper:ident) => {{
        extern "C-unwind" fn f(state: *mut ExecState, a: Object, b: Object, more: *const u64, count: u64) -> u64 {
            // SAFETY: so many arguments lie there.
            let more = unsafe { std::slice::from_raw_parts(more, count as usize) };
            let more = more.iter().map(|&bits| Register::Obj(reference(bits)));
            helper(state, Helper::$helper, &[obj(a), obj(b)].into_iter().chain(more).collect::<Vec<_>>())
        }
        f as *const c_void
    }};
    (@function doubles $helper:ident) => {{
        extern "C-unwind" fn f(state: *mut ExecState, a: f64, b: f64) -> f64 {
            f64::from_bits(helper(state, Helper::$helper, &[Register::F64(a), Register::F64(b)]))
        }
        f as *const c_void
    }};
}

helpers! {
    one: UnaryNegative IsTrue Length GetIter Next QuietIter QuietTruth IterFinish QuietNext IterDone EnumerateIter EnumerateNumber Identity TupleOfList OwnDict HasRoom StrHash;
    two: ContainsOp GetItem GetAttr Enter ListAppend ListConcat StrConcat StrEq IntAdd Lookup Member Storable InstanceLacks HasAttribute AnyAttribute AnyInstance QuietFormat NewFunction
        DictDelete DictFill SetAdd SetDiscard SliceItem ListExtend ListRemove EnumerateKeep BoundSelf BindBuiltin;
    three: SetItem SetAttr Slice LookupOr DictStore NameStore StoreAny DequeAppend;
    operator: BinaryOp CompareOp QuietBinary QuietCompare Search InstanceDict MemberHashed LookupHashed KeyedItem SetFunctionAttribute;
    numbered: QuietConvert;
    four: StoreSlice ExchangeSlice SliceStep;
    many: Call CallAny CallKw QuietCall JoinStrings BuildMap KeysAre;
    doubles: FloatPow;
}

pub(super) fn host_functions() -> HostFunctions {
    let (is_list_iter_done, is_tuple_iter_done, is_range_iter_done) = (is_iter_done, is_iter_done, is_iter_done);
    HostFunctions {
        load_local,
        load_stack,
        load_globals,
        load_builtins,
        spill_local,
        spill_stack,
        push_frame,
        pop_frame,
        return_value,
        land,
        give_back,
        dealloc_returning,
        publish,
        withdraw,
        settle,
        dealloc_published,
        type_of,
        type_version,
        class_version,
        keys_version,
        shared_keys_version,
        instance_keys_version,
        global_version,
        function_version,
        is_compact,
        is_wide,
        has_inline_values,
        has_no_dict,
        is_shared,
        is_valid,
        is_periodic_due,
        is_plain_frame,
        has_stack_space,
        unbox_i64,
        unbox_wide,
        box_i64,
        unbox_f64,
        box_f64,
        unbox_bool,
        box_bool,
        load_inline,
        store_inline,
        load_slot,
        store_slot,
        list_len,
        list_items,
        load_item,
        store_item,
        tuple_len,
        load_tuple_item,
        typecode,
        array_len,
        array_elements,
        inner_elements,
        load_element_i64,
        load_element_f64,
        store_element_i64,
        store_element_f64,
        load_cell,
        store_cell,
        load_dict_value,
        store_dict_value,
        module_dict,
        incref,
        decref,
        decref_no_dealloc,
        dealloc_simple,
        build,
        new_instance,
        list_iter_next,
        tuple_iter_next,
        range_iter_next,
        is_list_iter_done,
        is_tuple_iter_done,
        is_range_iter_done,
        is_suspended_at,
        is_untracked,
        load_generator,
        store_generator,
        generator_globals,
        generator_builtins,
        resume_generator,
        suspend_generator,
        push_generator,
        pop_generator,
        is_caller_at,
        unlink_first,
        finish_generator,
        new_generator,
        execute,
        has_landed,
        side_exit,
        helpers: helper_functions(),
    }
}
