//! Calls of classes written in Python: the instance is made here, and `__init__` entered.

use super::binding::{bind, in_dictionaries};
use super::calls::{INIT_RETURN, enter, plain};
use super::{Lowering, Outcome};
use crate::facts;
use crate::state::Content;
use crate::trace::Keep;
use hotspur_cpython_sys::ffi::{PyObject, PyTypeObject};
use hotspur_cpython_sys::*;
use hotspur_ir::Value;
use hotspur_tier1::shims;
use hotspur_tier1::table::op;

/// Makes an instance of a class that is known, and enters its `__init__`, as tier 1 has specialized it. The class is relied on, with its
/// `__init__`. The caller waits at tier 1's INIT_RETURN, which lies in the call's last cache word; it has the instance in the place of the class.
pub(super) unsafe fn instantiate(l: &mut Lowering, has_receiver: bool) -> Option<Outcome> {
    let n = l.oparg();
    let real_class = l.real(n + 2);
    let class = real_class.cast::<PyTypeObject>();
    let v = l.f.peek(n + 2)?;
    let (version, init_version) = l.halves();
    if has_receiver
        || !facts::is_reliable(ty(real_class))
        || (*class).tp_version_tag != version
        || version == 0
        || (*l.s.pc.add(INIT_RETURN)).op != op::INIT_RETURN
    {
        return None;
    }
    let init = l.cached();
    let (real, cs) = plain(init)?;
    let sources = bind(real, n + 1, &[])?;
    if (*real).func_version != init_version {
        return None;
    }
    l.know_class(v, real_class)?;
    for i in 1..=n {
        l.f.peek(i)?;
    }
    l.guard_receiver(n, false);
    let code = l.f.code((*real).func_code.cast::<PyCodeObject>());
    let sources = l.prepared(sources, 0)?;
    let function = initializer(l, class, init);
    let instance = made(l, real_class);
    let arguments = l.arguments_behind(instance, n);
    // The instance has a reference to its class.
    l.f.survives(v);
    l.f.discard();
    l.f.push_value(instance);
    l.f.drop_dead(None);
    l.f.top_mut().pc += INIT_RETURN as u32;
    let locals = l.bound(sources, &arguments);
    enter(l, real, cs, code, function, locals, true);
    Some(Outcome::Call)
}

/// CALL or CALL_KW (`above` is 0 or 1) of a class, the last arguments having these names: as in tier 1, the frame of a shim, which has the instance, and that of
/// `__init__`.
pub(super) unsafe fn instantiate_on_shim(
    l: &mut Lowering,
    init: *mut PyFunctionObject,
    above: usize,
    names: &[*mut PyObject],
) -> Option<Outcome> {
    let n = l.oparg();
    let at = n + above + 2;
    let real_class = l.real(at);
    let init = init.cast::<PyObject>();
    let (real, _) = plain(init)?;
    let sources = bind(real, n + 1 - names.len(), names)?;
    let class = known_class(l, real_class, at)?;
    for i in 1..=n + above {
        l.f.peek(i)?;
    }
    l.guard_receiver(n + above, false);
    let kept = in_dictionaries(&sources);
    // Argument 0 is the instance.
    let sources = l.prepared(sources, n + above + 1)?;
    let [function, instance] = new_one(l, real_class, init);
    let names: Vec<_> = (0..above).map(|_| l.f.pop()).collect();
    let arguments = l.arguments_behind(instance, n);
    // The instance has a reference to its class.
    l.f.survives(class);
    l.f.discard();
    let locals = l.bound(sources, &arguments);
    enter_on_shim(l, instance, init, function, locals)?;
    for content in kept.into_iter().map(|i| arguments[i]).chain(names) {
        l.f.release(content);
    }
    l.f.drop_dead(Some(0));
    Some(Outcome::Call)
}

/// The class so far from the top of the stack, which is guarded to be this one.
pub(super) unsafe fn known_class(l: &mut Lowering, real: *mut PyObject, at: usize) -> Option<Value> {
    let v = l.f.peek(at)?;
    if !facts::has_version(real.cast()) || !facts::is_reliable(ty(real)) {
        return None;
    }
    l.know_class(v, real)?;
    Some(v)
}

/// `__init__` of a class, and a new instance of it.
pub(super) unsafe fn new_one(l: &mut Lowering, class: *mut PyObject, init: *mut PyObject) -> [Value; 2] {
    [initializer(l, class.cast(), init), made(l, class)]
}

/// Enters the frame of a shim, with the instance, and on top of it that of `__init__`.
pub(super) unsafe fn enter_on_shim(
    l: &mut Lowering,
    instance: Value,
    init: *mut PyObject,
    function: Value,
    locals: Vec<Content>,
) -> Option<()> {
    let (real, cs) = plain(init)?;
    let shim = shims::instance_shim()?;
    let shim_code = l.f.code((*shim.cs).code);
    let shim_function = l.f.constant(shim.function.cast(), Keep::Immortal);
    let code = l.f.code((*real).func_code.cast::<PyCodeObject>());
    enter(l, shim.function, shim.cs, shim_code, shim_function, vec![Content::Value(instance)], true);
    l.f.top_mut().pc = shim.call as u32;
    enter(l, real, cs, code, function, locals, true);
    Some(())
}

/// The function that initializes instances of a class, which is relied on.
unsafe fn initializer(l: &mut Lowering, class: *mut PyTypeObject, init: *mut PyObject) -> Value {
    l.depend_on_type(class);
    // It may get a `__call__`.
    l.depend_on_type(ty(class.cast()));
    l.f.rely_on(init);
    let function = l.f.constant(init, Keep::Guarded);
    l.f.borrowed(function);
    // The class has it.
    l.f.info(function).kept = true;
    function
}

/// A new instance.
unsafe fn made(l: &mut Lowering, class: *mut PyObject) -> Value {
    let id = l.f.object(class, Keep::Guarded);
    let instance = l.f.builder.new_instance(id);
    l.f.owned(instance);
    instance
}

/// `__init__` has returned, or the shim of an assignment: None, which is dropped.
pub(super) unsafe fn init_return(l: &mut Lowering) -> Option<Outcome> {
    let none = ffi::Py_None();
    if l.real(1) != none {
        return None;
    }
    let v = l.f.peek(1)?;
    let id = l.f.object(none, Keep::Immortal);
    l.guard_is(v, none, id);
    l.f.discard();
    l.done()
}
