/* The lease, told a second time: the rules of src/lease.rs without its code, for spin to search to the end.
 *
 * N lives compete for one job. A life is one incarnation of one instance; when it is over, its place goes to
 * the next one, so lives never run out, and time has no end. Still there are few states, because of four things.
 *
 *  - Versions never come back. So a write that rests on a version which is no longer the row's can change
 *    nothing, and is dropped; one that still rests on it is carried out at any later moment, or lost.
 *  - Every act may be put off for ever. So rows are seen as they are: who sees them later acts later. Only its
 *    own leadership a life learns late, and late that it has lost it.
 *  - Who crashes merely does nothing until his horizon has passed, and is over then. He takes his row along:
 *    that it stood for a while longer is a longer silence.
 *  - Time is true time, in ticks. TTL is the fewest that a time-to-live lasts, on the fastest rival's clock;
 *    TRUST the most that `ttl - margin` lasts, on the slowest holder's. They are equal at the worst allowed.
 *
 * Bounds: N lives at a time, each with one heartbeat and one other write under way; a store that loses nothing.
 * The claim stands at the end. Each hole, opened with -DHOLE=..., must break it; proof/spin opens them all.
 * With -DPAUSES clocks may stand still while a machine is paused, and the claim is the weaker one that is left.
 */

mtype:hole = { no_hole, counts_from_answer, counts_from_question, no_margin, waits_half, stops_in_sleep,
  unknown_is_done, claim_is_done, overwrites, members_before_leases, term_not_raised, leads_until_given,
  resumes_in_doubt, goes_by_name, comes_back, revives, reaps_blindly, takes_without_reaping, heartbeat_inserts }
#ifndef HOLE
#define HOLE no_hole
#endif
#define hole(name) (HOLE == name)

#ifndef N
#define N 2                                             /* lives */
#endif
#ifndef TTL
#define TTL 3                                           /* ticks */
#endif
#ifndef PAUSES
#define PAUSES false
#endif
#define TRUST    (hole(no_margin) -> TTL + 1 : TTL)
#define PATIENCE (hole(waits_half) -> TTL / 2 : TTL)
#define NOBODY   N

mtype = { gone, joining, live }
mtype = { none, insert, update, applied, take, give, reap }

typedef Life {
  mtype is = gone;
  byte left;                                            /* ticks to its horizon */
  mtype beat = none;                                    /* its heartbeat: under way, or applied but not confirmed */
  byte gives;                                           /* ticks to the horizon that this will give */
  mtype write = none;                                   /* its other write */
  byte whom;                                            /* whom this is for, or against */
  bool believes;                                        /* the newest lease row that it knows names it */
  bool row;                                             /* its member row stands */
  byte silent;                                          /* ticks since that changed, as rivals count */
  bool paused;                                          /* at some time since then */
  byte missed = NOBODY                                  /* whose row it did not see when it looked */
}
Life life[N];
byte holder = NOBODY;                                   /* the lease row */
bool surrendered;                                       /* this version of it, by its holder */
byte k;

#define me       life[i]
#define alive    (me.is == live && me.left > 0)
#define leads(i) (life[i].is == live && life[i].left > 0 && life[i].believes && !life[i].paused)
#define silent_for_long(k) (life[k].row && life[k].silent >= PATIENCE)
#define names_me (holder == i || hole(goes_by_name) && holder != NOBODY)
#define vacant   (holder == NOBODY || !life[holder].row \
                  || hole(takes_without_reaping) && silent_for_long(holder) \
                  || hole(members_before_leases) && me.missed == holder)

inline member_row(whose, stands) {                      /* it changes: deletions that rest on it will fail */
  for (k : 0 .. N - 1) {
    if :: life[k].write == reap && life[k].whom == whose && !hole(reaps_blindly) -> done(k) :: else fi
  }
  life[whose].row = stands; life[whose].paused = life[whose].paused && !stands;
  life[whose].silent = (stands && hole(counts_from_question) -> 1 : 0)
}
inline lease_row(to, raises) {                          /* so do writes that rest on this one */
  assert(raises || to == NOBODY || to == holder);       /* a term belongs to one life */
  for (k : 0 .. N - 1) {
    if :: (life[k].write == take || life[k].write == give) && !hole(overwrites) -> done(k) :: else fi
  }
  holder = to; surrendered = false
}
inline done(whose) { life[whose].write = none; life[whose].whom = 0 }
inline another(j) { if :: j = (i + 1) % N :: j = (i + N - 1) % N fi }
#define less(x) (x > 0 -> x - 1 : 0)
#define say(words) printf("life %d ", i); printf(words)

proctype Run(byte i) {
  byte j;
  do
  /* 1. A life begins with one insertion of its member row. */
  :: d_step { me.is == gone && me.write == none && me.beat == none ->
       say("is drawn and sends its member row\n");
       me.is = joining; me.beat = insert; me.left = TRUST; me.gives = TRUST }
  /* 2. A heartbeat that is confirmed in time moves the horizon, counted from when it left. */
  :: d_step { alive && me.beat == none ->
       say("sends a heartbeat\n"); me.beat = update; me.gives = TRUST }
  :: d_step { me.beat == insert || me.beat == update && (me.row || hole(heartbeat_inserts)) ->
       say("has its member row written\n"); member_row(i, true); me.beat = applied }
  :: d_step { me.beat == insert || me.beat == update ->
       say("has a heartbeat lost\n"); me.beat = none; me.gives = 0 }
  :: d_step { me.left > 0 && (me.beat == applied || me.beat == update && hole(unknown_is_done)) ->
       say("has its heartbeat confirmed\n");
       me.left = (hole(counts_from_answer) -> TRUST : me.gives);
       me.is = live; me.beat = none; me.gives = 0 }
  :: d_step { me.left == 0 && me.beat == applied && hole(revives) ->
       say("takes a late confirmation for one in time\n");
       me.left = me.gives; me.is = live; me.beat = none; me.gives = 0 }
  /* 3. It leads from when it learns that the row names it, to when it learns that the row does not. */
  :: d_step { alive && !me.believes && names_me && (!surrendered || hole(resumes_in_doubt)) ->
       say("learns that it leads\n"); me.believes = true }
  :: d_step { me.believes && holder != i ->
       say("learns that it does not lead\n"); me.believes = false }
  /* 4. A life may be over before its horizon, and is after it. No late answer revives it. */
  :: d_step { me.is != gone ->
       say("is over\n");
       for (k : 0 .. N - 1) {                           /* what others still do to it, they do to a stranger */
         if :: life[k].whom == i && life[k].write == give -> life[k].whom = NOBODY
            :: life[k].whom == i && life[k].write == reap -> done(k)
            :: else fi
       }
       if :: me.write == take -> me.write = give; me.whom = NOBODY :: else fi;
       if :: holder == i -> holder = NOBODY; surrendered = false :: else fi;
       member_row(i, false); me.is = gone; me.left = 0; me.paused = false; me.missed = NOBODY;
       if :: me.beat == applied && hole(revives) :: else -> me.beat = none; me.gives = 0 fi;
       me.believes = me.believes && (hole(revives) || hole(comes_back)) }
  /* 5. A member that was silent for a whole time-to-live is reaped. A job whose holder has no row is taken. */
  :: atomic { alive && me.write == none -> another(j);
       if :: silent_for_long(j) -> say("sends a deletion\n"); me.write = reap; me.whom = j :: else fi; j = 0 }
  :: d_step { alive && me.write == none && !me.believes && vacant ->
       say("sends a claim\n"); me.write = take; me.believes = hole(claim_is_done) }
  :: atomic { alive && hole(members_before_leases) -> another(j);
       if :: !life[j].row -> say("looks for a member in vain\n"); me.missed = j :: else fi; j = 0 }
  /* 6. A hand-over, or a release: from sending it on this life leads no more. */
  :: atomic { alive && me.write == none && holder == i && (me.believes || surrendered) ->
       if :: j = NOBODY :: another(j) fi;
       if :: j == NOBODY || life[j].row ->
               say("gives the job away\n");
               me.write = give; me.whom = j; surrendered = true; me.believes = hole(leads_until_given)
          :: else fi; j = 0 }
  /* 8. What is sent is carried out, or lost. Nobody is told: what became of it shows in the rows. */
  :: d_step { me.write != none ->
       j = me.whom; me.whom = 0;
       if :: me.write == take -> say("has its claim written\n"); me.write = none; lease_row(i, !hole(term_not_raised))
          :: me.write == give -> say("has its gift written\n"); me.write = none; lease_row(j, j != NOBODY)
          :: me.write == reap -> say("has its rival's row deleted\n"); me.write = none; member_row(j, false)
       fi; j = 0 }
  :: d_step { me.write != none -> say("has a write lost\n"); done(i) }
  od
}

proctype Time() {
  byte i;
  do
  :: atomic { printf("a tick\n"); for (i : 0 .. N - 1) {
       if :: d_step { me.left = less(me.left); me.gives = less(me.gives) }
          :: PAUSES -> say("is paused\n"); me.paused = me.is != gone && !hole(stops_in_sleep)
       fi;
       if :: me.row && me.silent < PATIENCE -> me.silent++ :: else fi } i = 0 }
  od
}

/* The claim: nobody else leads while one leads, as far as neither has slept since its last heartbeat. */
#define two(i, k) (leads(i) && leads(k))
proctype Law() {
#if N == 2
  d_step { two(0, 1) -> printf("two lead\n"); assert(false) }
#else
  d_step { two(0, 1) || two(0, 2) || two(1, 2) -> assert(false) }
#endif
}

init { byte i; atomic { run Time(); run Law(); for (i : 0 .. N - 1) { run Run(i) } } }
