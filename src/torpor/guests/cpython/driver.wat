;; Calls a Python function, and answers the host calls of the guest, so that host and guest meet once a turn.
;;
;; Texts come in and go out through the host's scratch memory. Cells at its beginning (offsets are named in instance.py):
;;    0 clock i64 (epoch milliseconds)      8 address of the scratch memory's free part
;;   12 bytes of the message that waits there for the guest
;;   16 bytes of the guest's answer, -1 when there is none     20 most bytes of an answer
;;   24 set when an answer was longer than that                28 where the host has put another reply
(module
  (import "guest" "memory" (memory $vm 1))
  (import "host" "scratch" (memory $scratch 1))
  (import "guest" "malloc" (func $malloc (param i32) (result i32)))
  (import "guest" "call" (func $call_object (param i32) (result i32)))
  (import "guest" "release" (func $release (param i32)))
  (import "guest" "print_error" (func $print_error))
  (import "host_call" "table" (table 1 1 funcref))
  (import "python" "answer" (func $ask_host (param i32 i32) (result i32)))
  (elem (i32.const 0) $answer)

  ;; The guest's request of $size bytes lies at $at; where the reply lies goes to $reply, its length to $reply_size.
  ;; Returns 0, or -2 for "the host failed". The guest frees the reply.
  (func $answer (param $at i32) (param $size i32) (param $reply i32) (param $reply_size i32) (result i32)
    (local $kind i32) (local $from i32) (local $bytes i32) (local $p i32)
    (local.set $from (i32.load $scratch (i32.const 8)))
    (if (local.get $size) (then (local.set $kind (i32.load8_u $vm (local.get $at)))))
    (block $replied
      (if (i32.eq (local.get $kind) (i32.const 73)) ;; I: the host's message
        (then
          (local.set $bytes (i32.load $scratch (i32.const 12)))
          (br $replied)))
      (if (i32.eq (local.get $kind) (i32.const 79)) ;; O: the guest's answer
        (then
          (if (i32.eqz (call $take (i32.add (local.get $at) (i32.const 1)) (i32.sub (local.get $size) (i32.const 1))))
            (then (i32.store $scratch (i32.const 24) (i32.const 1)) (return (i32.const -2))))
          (br $replied)))
      (if (i32.and (i32.eq (local.get $kind) (i32.const 84)) (i32.eq (local.get $size) (i32.const 9))) ;; T: the time
        (then
          (i64.store $scratch (i32.const 0) (i64.load $vm offset=1 (local.get $at)))
          (br $replied)))
      (local.set $bytes (call $ask_host (local.get $at) (local.get $size)))
      (if (i32.lt_s (local.get $bytes) (i32.const 0)) (then (return (i32.const -2))))
      (local.set $from (i32.load $scratch (i32.const 28))))
    (local.set $p (call $malloc (i32.add (local.get $bytes) (i32.eqz (local.get $bytes)))))
    (if (i32.eqz (local.get $p)) (then (return (i32.const -2))))
    (memory.copy $vm $scratch (local.get $p) (local.get $from) (local.get $bytes))
    (i32.store $vm (local.get $reply) (local.get $p))
    (i32.store $vm (local.get $reply_size) (local.get $bytes))
    (i32.const 0))

  ;; Put $size bytes of the guest in the scratch memory as its answer; returns 0 when they are too many.
  (func $take (param $at i32) (param $size i32) (result i32)
    (local $missing i32)
    (if (i32.gt_u (local.get $size) (i32.load $scratch (i32.const 20))) (then (return (i32.const 0))))
    (local.set $missing
      (i32.sub
        (i32.add (i32.load $scratch (i32.const 8)) (local.get $size))
        (i32.mul (memory.size $scratch) (i32.const 65536))))
    (if (i32.gt_s (local.get $missing) (i32.const 0))
      (then
        (if (i32.eq
              (memory.grow $scratch (i32.shr_u (i32.add (local.get $missing) (i32.const 65535)) (i32.const 16)))
              (i32.const -1))
          (then (return (i32.const 0))))))
    (memory.copy $scratch $vm (i32.load $scratch (i32.const 8)) (local.get $at) (local.get $size))
    (i32.store $scratch (i32.const 16) (local.get $size))
    (i32.const 1))

  ;; Call a Python function without arguments. Returns 0, or 1 when it raised; Python has printed that then.
  (func (export "call") (param $function i32) (result i32)
    (local $result i32)
    (i32.store $scratch (i32.const 16) (i32.const -1))
    (i32.store $scratch (i32.const 24) (i32.const 0))
    (local.set $result (call $call_object (local.get $function)))
    (if (i32.eqz (local.get $result))
      (then (call $print_error) (return (i32.const 1))))
    (call $release (local.get $result))
    (i32.const 0)))
