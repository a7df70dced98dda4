;; Runs a whole turn inside WebAssembly, so that host and guest meet once a turn rather than for every string and job.
;;
;; Texts come in and go out through the host's scratch memory; nothing of them stays in the guest's memory but what
;; JavaScript keeps. Cells at the beginning of the scratch memory (offsets are named in instance.py):
;;    0 clock i64            8 stack pointer        12 bytes of the answer    16 pending exception
;;   20 most bytes of an answer                     24 undefined              28 argv (4 bytes of guest memory)
;;   32 length out (4 bytes of guest memory)        36 address of the scratch memory's free part
;;   64 the bootstrap's functions, by number
;;
;; Results: 0 done, 1 JavaScript threw (cell 16), 2 no memory, 3 the answer is too long.
(module
  (import "guest" "memory" (memory $vm 1))
  (import "host" "scratch" (memory $scratch 1))
  (import "guest" "__stack_pointer" (global $stack_pointer (mut i32)))
  (import "guest" "wasm_malloc" (func $malloc (param i32) (result i32)))
  (import "guest" "wasm_free" (func $free (param i32)))
  (import "guest" "qjs_new_string" (func $new_string (param i32 i32) (result i32)))
  (import "guest" "qjs_get_string_len" (func $get_string (param i32 i32) (result i32)))
  (import "guest" "qjs_free_cstring" (func $free_cstring (param i32)))
  (import "guest" "qjs_call" (func $call (param i32 i32 i32 i32) (result i32)))
  (import "guest" "qjs_free_value" (func $free_value (param i32)))
  (import "guest" "qjs_is_exception" (func $is_exception (param i32) (result i32)))
  (import "guest" "qjs_is_undefined" (func $is_undefined (param i32) (result i32)))
  (import "guest" "qjs_get_exception" (func $get_exception (result i32)))
  (import "guest" "qjs_is_job_pending" (func $is_job_pending (result i32)))
  (import "guest" "qjs_execute_pending_job" (func $execute_job (result i32)))
  (import "guest" "qjs_get_prop_string" (func $get_property (param i32 i32) (result i32)))
  (import "guest" "qjs_set_prop_string" (func $set_property (param i32 i32 i32) (result i32)))
  (import "guest" "qjs_new_error" (func $new_error (result i32)))
  (import "guest" "qjs_throw" (func $qjs_throw (param i32) (result i32)))
  (import "guest" "qjs_run_gc" (func $run_gc))

  ;; Copy a text from the scratch memory into guest memory as a C string; 0 when there is no memory.
  (func $c_string (param $at i32) (param $size i32) (result i32)
    (local $p i32)
    (local.set $p (call $malloc (i32.add (local.get $size) (i32.const 1))))
    (if (local.get $p)
      (then
        (memory.copy $vm $scratch (local.get $p) (local.get $at) (local.get $size))
        (i32.store8 $vm (i32.add (local.get $p) (local.get $size)) (i32.const 0))))
    (local.get $p))

  ;; Wiped before it is freed: what was delivered shall not lie about in snapshots.
  (func $wipe (param $p i32) (param $size i32)
    (memory.fill $vm (local.get $p) (i32.const 0) (local.get $size))
    (call $free (local.get $p)))

  ;; A text in the scratch memory as a JavaScript string; 0 when there is no memory.
  (func $string (param $at i32) (param $size i32) (result i32)
    (local $p i32) (local $value i32)
    (local.set $p (call $c_string (local.get $at) (local.get $size)))
    (if (i32.eqz (local.get $p)) (then (return (i32.const 0))))
    (local.set $value (call $new_string (local.get $p) (local.get $size)))
    (call $wipe (local.get $p) (local.get $size))
    (local.get $value))

  ;; Keep the pending exception for the host.
  (func $caught (result i32)
    (i32.store $scratch (i32.const 16) (call $get_exception))
    (i32.const 1))

  ;; Put a value as text in the scratch memory and free it.
  (func $answer (param $value i32) (result i32)
    (local $p i32) (local $size i32) (local $missing i32)
    (i32.store $scratch (i32.const 12) (i32.const 0))
    (if (call $is_exception (local.get $value))
      (then (call $free_value (local.get $value)) (return (call $caught))))
    (if (call $is_undefined (local.get $value))
      (then (call $free_value (local.get $value)) (return (i32.const 0))))
    (local.set $p (call $get_string (local.get $value) (i32.load $scratch (i32.const 32))))
    (if (i32.eqz (local.get $p))
      (then (call $free_value (local.get $value)) (return (call $caught))))
    (local.set $size (i32.load $vm (i32.load $scratch (i32.const 32))))
    (if (i32.gt_u (local.get $size) (i32.load $scratch (i32.const 20))) (then (return (i32.const 3))))
    (local.set $missing
      (i32.sub
        (i32.add (i32.load $scratch (i32.const 36)) (local.get $size))
        (i32.mul (memory.size $scratch) (i32.const 65536))))
    (if (i32.gt_s (local.get $missing) (i32.const 0))
      (then
        (if (i32.eq
              (memory.grow $scratch (i32.shr_u (i32.add (local.get $missing) (i32.const 65535)) (i32.const 16)))
              (i32.const -1))
          (then (return (i32.const 3))))))
    (memory.copy $scratch $vm (i32.load $scratch (i32.const 36)) (local.get $p) (local.get $size))
    (i32.store $scratch (i32.const 12) (local.get $size))
    (call $free_cstring (local.get $p))
    (call $free_value (local.get $value))
    (i32.const 0))

  ;; Call a kept function and return its value (maybe an exception).
  (func $invoke (param $number i32) (param $argument i32) (result i32)
    (i32.store $vm (i32.load $scratch (i32.const 28)) (local.get $argument))
    (call $call
      (i32.load $scratch offset=64 (i32.shl (local.get $number) (i32.const 2)))
      (i32.load $scratch (i32.const 24))
      (i32.ne (local.get $argument) (i32.const 0))
      (i32.load $scratch (i32.const 28))))

  ;; Call a kept function whose value does not matter.
  (func $do (param $number i32) (param $argument i32) (result i32)
    (local $value i32) (local $failed i32)
    (local.set $value (call $invoke (local.get $number) (local.get $argument)))
    (local.set $failed (call $is_exception (local.get $value)))
    (call $free_value (local.get $value))
    (if (result i32) (local.get $failed) (then (call $caught)) (else (i32.const 0))))

  (func $do_with_text (param $number i32) (param $at i32) (param $size i32) (result i32)
    (local $argument i32) (local $status i32)
    (local.set $argument (call $string (local.get $at) (local.get $size)))
    (if (i32.eqz (local.get $argument)) (then (return (i32.const 2))))
    (if (call $is_exception (local.get $argument)) (then (return (call $caught))))
    (local.set $status (call $do (local.get $number) (local.get $argument)))
    (call $free_value (local.get $argument))
    (local.get $status))

  (func $drain (result i32)
    (block $done
      (loop $next
        (br_if $done (i32.eqz (call $is_job_pending)))
        (br_if $next (i32.ge_s (call $execute_job) (i32.const 0)))
        (return (call $caught))))
    (i32.const 0))

  (func $enter
    (global.set $stack_pointer (i32.load $scratch (i32.const 8))))

  (func $leave (param $status i32) (result i32)
    (i32.store $scratch (i32.const 8) (global.get $stack_pointer))
    (local.get $status))

  ;; Call $take with the text of $size bytes that begins at $at, run all jobs, then put what $give returns in the scratch
  ;; memory.
  (func (export "exchange") (param $take i32) (param $give i32) (param $at i32) (param $size i32) (result i32)
    (local $status i32)
    (call $enter)
    (local.set $status (call $do_with_text (local.get $take) (local.get $at) (local.get $size)))
    (if (i32.eqz (local.get $status)) (then (local.set $status (call $drain))))
    (if (i32.eqz (local.get $status))
      (then (local.set $status (call $answer (call $invoke (local.get $give) (i32.const 0))))))
    (call $leave (local.get $status)))

  ;; A turn: hand the inbox over ($inbox), then for each delivery set the clock, call $next and run all jobs; then ask
  ;; $outbox. At $at lie $count clocks (i64), then the text of $size bytes.
  (func (export "turn") (param $inbox i32) (param $next i32) (param $outbox i32)
        (param $at i32) (param $count i32) (param $size i32) (result i32)
    (local $status i32) (local $clocks_end i32)
    (call $enter)
    (local.set $clocks_end (i32.add (local.get $at) (i32.shl (local.get $count) (i32.const 3))))
    (local.set $status (call $do_with_text (local.get $inbox) (local.get $clocks_end) (local.get $size)))
    (block $done
      (loop $deliver
        (br_if $done (i32.or (local.get $status) (i32.eq (local.get $at) (local.get $clocks_end))))
        (i64.store $scratch (i32.const 0) (i64.load $scratch (local.get $at)))
        (local.set $status (call $do (local.get $next) (i32.const 0)))
        (br_if $done (local.get $status))
        (local.set $status (call $drain))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (br $deliver)))
    (if (i32.eqz (local.get $status))
      (then (local.set $status (call $answer (call $invoke (local.get $outbox) (i32.const 0))))))
    (call $leave (local.get $status)))

  ;; Put a property of a value as text in the scratch memory; its name, $size bytes, lies at $at. The value is not freed.
  (func (export "property") (param $value i32) (param $at i32) (param $size i32) (result i32)
    (local $name i32) (local $found i32)
    (local.set $name (call $c_string (local.get $at) (local.get $size)))
    (if (i32.eqz (local.get $name)) (then (return (i32.const 2))))
    (local.set $found (call $get_property (local.get $value) (local.get $name)))
    (call $free (local.get $name))
    (call $answer (local.get $found)))

  ;; Put a value as text in the scratch memory, and free it.
  (func (export "text") (param $value i32) (result i32)
    (call $answer (local.get $value)))

  ;; Throw an Error into JavaScript, for a host function that is about to return: message at $at.
  (func (export "throw") (param $at i32) (param $size i32) (result i32)
    (local $error i32) (local $name i32) (local $message i32)
    (local.set $error (call $new_error))
    (i32.store $scratch (i32.const 40) (i32.const 0x7373656d)) ;; "mess"
    (i32.store $scratch (i32.const 44) (i32.const 0x00656761)) ;; "age"
    (local.set $name (call $c_string (i32.const 40) (i32.const 7)))
    (local.set $message (call $string (local.get $at) (local.get $size)))
    (if (i32.or (i32.eqz (local.get $name)) (i32.eqz (local.get $message))) (then (return (i32.const 2))))
    (drop (call $set_property (local.get $error) (local.get $name) (local.get $message)))
    (call $free_value (local.get $message))
    (call $free (local.get $name))
    (drop (call $qjs_throw (local.get $error)))
    (call $free_value (local.get $error))
    (i32.const 0))

  ;; A text in the scratch memory as a C string that the guest frees, for a host function that returns one; 0 without
  ;; memory.
  (func (export "c_string") (param $at i32) (param $size i32) (result i32)
    (call $c_string (local.get $at) (local.get $size)))

  ;; Put what a kept function returns in the scratch memory, while the engine stands still in a call of the host.
  (func (export "ask") (param $give i32) (result i32)
    (call $answer (call $invoke (local.get $give) (i32.const 0))))

  ;; Collect garbage.
  (func (export "tidy")
    (call $enter)
    (call $run_gc)
    (drop (call $leave (i32.const 0)))))
