/* lease: the lease and fence protocol of src/roster, for spin.
 *
 * One task, two lanes that may run it. SHAPE says where the lanes are:
 *   1  two nodes with a lane each
 *   2  one node with both lanes
 *   3  two processes with the same node-id, a lane each
 * Every process goes its own pace: whoever is not chosen stands still, between any two steps, while
 * time goes on; that is SIGSTOP. The store's transactions are atomic. A commit's outcome may be
 * unknown, a process may be killed, and a lease may run out under a living process; each of these
 * takes one of FAULTS from a budget, which keeps the model finite.
 *
 * Time: a tick takes one from each lease (the store's clock) and from each process' trust in itself
 * (its own monotonic clock, which is slow by one tick in a lease: drift). Trust counts from the moment a
 * heartbeat was SENT, and is shorter than the lease by a margin, here of one tick as well.
 *
 * Checked: (1) no ask has two effects; (2) no two lanes with living incarnations hold the task;
 * (4) no act begins past the lease, and no commit is sent past it; (7) and (3), under fairness, the
 * last ask has its effect in the end (ltl all_done).
 *
 * -D NO_FENCE, NO_GENERATION, NO_VERSION, NO_TRUST, NO_MARGIN, FROM_CONFIRM, NO_REFUSAL, NO_EXPIRY,
 * NO_VERIFY, STEAL each take one guard out; tests/mutants expects that spin finds what follows.
 *
 * Weak point: one task, two lanes, few faults; what is larger is the simulator's.
 */
#ifndef FAULTS
#define FAULTS 2
#endif
#ifndef SHAPE
#define SHAPE  1
#endif
#define LANES  2
#if SHAPE == 1
#define PROCS      2
#define NODE_OF(p) p
#define PROC_OF(l) l
#endif
#if SHAPE == 2
#define PROCS      1
#define NODE_OF(p) 0
#define PROC_OF(l) 0
#endif
#if SHAPE == 3
#define PROCS      2
#define NODE_OF(p) 0
#define PROC_OF(l) l
#endif
#define LEASE  2
#define DRIFT  1                /* ticks by which a process' clock may be slow within a lease */
#ifdef NO_MARGIN
#define TRUST  (LEASE + DRIFT)
#else
#define TRUST  (LEASE - 1 + DRIFT)
#endif

byte budget = FAULTS;

/* the store */
byte incarnations;
byte row[2];                    /* the living incarnation; 0: no row */
byte lease[2];                  /* ticks left */
bool queued = true;
byte version = 1, owner, generation;
byte effects[3];                /* of each version of the task */

/* what a process remembers */
byte mine[PROCS];               /* its incarnation; 0: it has not joined */
byte trust[PROCS], sent[PROCS]; /* ticks left: confirmed; of the heartbeat that is on its way */

/* what a lane remembers */
bool holds[LANES], doubt[LANES];
byte held_owner[LANES], held_generation[LANES], held_version[LANES];

#define LIVES(x)   ((x) != 0 && (row[0] == (x) || row[1] == (x)))
#define HOLDS(l)   (holds[l] && LIVES(held_owner[l]))
#ifdef NO_TRUST
#define TRUSTS(p)  (mine[p] != 0)
#else
#define TRUSTS(p)  (mine[p] != 0 && trust[p] > 0)
#endif
#define HAS_LEASE(p) (row[NODE_OF(p)] == mine[p] && lease[NODE_OF(p)] > 0)
#define NEXT_GENERATION(l) ((generation / 2 + 1) * 2 + l)   /* the lane's number is in it */
#ifdef STEAL
#define FREE true
#else
#define FREE (owner == 0 || !LIVES(owner))
#endif
#ifdef NO_FENCE
#define FENCE(l) true
#else
#ifdef NO_GENERATION
#define FENCE(l) (queued && owner == held_owner[l] && LIVES(held_owner[l]))
#else
#define FENCE(l) (queued && owner == held_owner[l] && generation == held_generation[l] && LIVES(held_owner[l]))
#endif
#endif

#ifdef NO_VERIFY
#define IS_OURS(l) true
#else
#ifdef NO_GENERATION
#define IS_OURS(l) (queued && owner == held_owner[l] && LIVES(held_owner[l]))
#else
#define IS_OURS(l) (queued && owner == held_owner[l] && generation == held_generation[l] && LIVES(held_owner[l]))
#endif
#endif

inline check_holders() {
    assert(!(HOLDS(0) && HOLDS(1)))
}

/* The known, the unknown and done, the unknown and not done. */
#define OUTCOMES 3
inline draw_outcome(outcome) {
    if
    :: outcome = 0
    :: budget > 0 -> budget--; outcome = 1
    :: budget > 0 -> budget--; outcome = 2
    fi
}


#ifdef FROM_CONFIRM
#define CONFIRMED(p) TRUST
#else
#define CONFIRMED(p) sent[p]
#endif
inline confirm(p) {
    d_step { trust[p] = CONFIRMED(p); sent[p] = 0 }
}

inline join(p) {
    sent[p] = TRUST;
    atomic {
        if
#ifndef NO_REFUSAL
        :: row[NODE_OF(p)] != 0 && lease[NODE_OF(p)] > 0 -> sent[p] = 0
#endif
#ifdef NO_REFUSAL
        :: incarnations < 8 ->
#else
        :: !(row[NODE_OF(p)] != 0 && lease[NODE_OF(p)] > 0) ->
#endif
            incarnations++;
            row[NODE_OF(p)] = incarnations;
            lease[NODE_OF(p)] = LEASE;
            mine[p] = incarnations
        fi
    }
    if
    :: mine[p] != 0 -> confirm(p)
    :: else
    fi
}

inline expire(p) {
#ifndef NO_EXPIRY
    if
    :: row[1 - NODE_OF(p)] != 0 && lease[1 - NODE_OF(p)] == 0 -> row[1 - NODE_OF(p)] = 0
    :: else
    fi;
#endif
    skip
}

inline beat(p, outcome) {
    sent[p] = TRUST;
    atomic {
        if
        :: row[NODE_OF(p)] != mine[p] ->    /* the lease was taken */
            mine[p] = 0; trust[p] = 0; sent[p] = 0; outcome = 1
        :: else ->
            draw_outcome(outcome);
            if
            :: outcome < 2 -> lease[NODE_OF(p)] = LEASE; expire(p)
            :: else
            fi
        fi
    }
    if
    :: outcome == 0 -> confirm(p)
    :: else -> sent[p] = 0; outcome = 0     /* unknown: not renewed */
    fi
}

inline let_go(l) {
    holds[l] = false; doubt[l] = false; held_owner[l] = 0; held_generation[l] = 0; held_version[l] = 0
}

inline forget(p) {
    mine[p] = 0; trust[p] = 0; sent[p] = 0;
#if SHAPE == 2
    let_go(0); let_go(1)
#else
    let_go(p)
#endif
}

/* Nothing is left to do wrong. */
#define OVER (version == 2 && !queued && !holds[0] && !holds[1] && !doubt[0] && !doubt[1])

proctype Process(byte p) {
    byte outcome;
end:
    do
    :: !OVER && mine[p] == 0 -> join(p)
    :: !OVER && mine[p] != 0 -> beat(p, outcome)
    :: atomic { !OVER && budget > 0 && mine[p] != 0 -> budget--; forget(p) }    /* kill -9, and a restart */
#if SHAPE == 1
    :: atomic { !OVER && budget > 0 && mine[p] != 0 -> budget--; forget(p); break }     /* or none */
#endif
    od
}

inline claim(l, outcome) {
    atomic {
        if
        :: queued && FREE ->
            draw_outcome(outcome);
            held_generation[l] = NEXT_GENERATION(l);
            held_version[l] = version;
            if
            :: outcome < 2 -> owner = held_owner[l]; generation = held_generation[l]
            :: else
            fi;
            holds[l] = (outcome == 0);
            doubt[l] = (outcome != 0);
            check_holders()
        :: else -> let_go(l)
        fi;
        outcome = 0
    }
}

inline verify(l) {
    atomic {
        if
        :: IS_OURS(l) -> holds[l] = true; doubt[l] = false; check_holders()
        :: else -> let_go(l)
        fi
    }
}

inline commit(l, outcome) {
    atomic {
        if
        :: FENCE(l) ->
            draw_outcome(outcome);
            if
            :: outcome < 2 ->
                effects[held_version[l]]++;
                assert(effects[held_version[l]] <= 1);
                owner = 0;
#ifdef NO_VERSION
                queued = false
#else
                queued = (version != held_version[l])
#endif
            :: else
            fi;
            if
            :: outcome == 0 -> let_go(l)
            :: else -> holds[l] = false; doubt[l] = true
            fi
        :: else -> let_go(l)
        fi;
        outcome = 0
    }
}

#define OURS(l) (mine[PROC_OF(l)] == held_owner[l] && TRUSTS(PROC_OF(l)))

proctype Lane(byte l) {
    byte outcome;
end:
    do
    :: doubt[l] -> verify(l)
    :: atomic { !holds[l] && !doubt[l] && queued && FREE && TRUSTS(PROC_OF(l)) ->
        held_owner[l] = mine[PROC_OF(l)] }
        claim(l, outcome)
    :: atomic { holds[l] ->
        /* An act outside, or a commit that is sent: asked and begun in one. */
        if
        :: OURS(l) -> assert(HAS_LEASE(PROC_OF(l)))
        :: else -> holds[l] = false; doubt[l] = true    /* what is ours is asked for */
        fi }
        if
        :: holds[l] -> commit(l, outcome)
        :: else
        fi
    od
}

/* Somebody asks once more, at any time. */
proctype Asker() {
    atomic { version = 2; if :: queued :: else -> queued = true; owner = 0 fi }
}

#define LATE(p) (trust[p] == 1 || (trust[p] == 0 && sent[p] == 1))

#if PROCS == 2
#define ANY_LATE (LATE(0) || LATE(1))
#else
#define ANY_LATE LATE(0)
#endif

inline tick_process(p) {
    trust[p] = (trust[p] > 0 -> trust[p] - 1 : 0);
    sent[p] = (sent[p] > 0 -> sent[p] - 1 : 0)
}

#define TIME_MATTERS (!OVER && lease[0] + lease[1] + trust[0] + trust[PROCS - 1] + sent[0] + sent[PROCS - 1] > 0)

inline tick() {
    lease[0] = (lease[0] > 0 -> lease[0] - 1 : 0);
    lease[1] = (lease[1] > 0 -> lease[1] - 1 : 0);
    tick_process(0);
#if PROCS == 2
    tick_process(1)
#endif
}

/* A living process is late only for a reason. */
proctype Clock() {
end:
    do
    :: atomic { TIME_MATTERS && !ANY_LATE -> tick() }
    :: atomic { TIME_MATTERS && ANY_LATE && budget > 0 -> budget--; tick() }
    od
}

init {
    atomic {
        run Process(0);
#if PROCS == 2
        run Process(1);
#endif
        run Lane(0);
        run Lane(1);
        run Asker();
        run Clock()
    }
}

ltl all_done { <> (effects[2] == 1 && !queued) }
