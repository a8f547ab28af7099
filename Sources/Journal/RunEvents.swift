package import ClusterModel

/// Who runs Rollbook: written at the begin of a run and whenever another process goes on with it.
package struct Operator: Sendable, Hashable {
    /// Name and version of the program, such as `rollbook 0.9.0`.
    package let program: String
    package let host: String
    package let user: String
    package let pid: Int

    package init(program: String, host: String, user: String, pid: Int) {
        self.program = program
        self.host = host
        self.user = user
        self.pid = pid
    }
}

/// Record and hash by which one journal remembers the end of another.
package struct RunWitness: Sendable, Hashable {
    package let run: RunID
    package let head: ContentHash

    package init(run: RunID, head: ContentHash) {
        self.run = run
        self.head = head
    }
}

/// `run.begin`: the first record of every journal.
package struct RunBegin: Sendable, Hashable {
    /// Hash of the bytes of plan.json.
    package let plan: ContentHash
    package let by: Operator
    package let cluster: ClusterID
    package let runbook: String
    /// How many steps the plan has.
    package let steps: Int
    /// The newest earlier run of this state folder, and its last record when this run began.
    package let previous: RunWitness?

    package init(
        plan: ContentHash,
        by: Operator,
        cluster: ClusterID,
        runbook: String,
        steps: Int,
        previous: RunWitness? = nil
    ) {
        self.plan = plan
        self.by = by
        self.cluster = cluster
        self.runbook = runbook
        self.steps = steps
        self.previous = previous
    }
}

/// Bytes that were cut off the end of a journal, and the file that keeps them.
package struct JournalCut: Sendable, Hashable {
    package let file: String
    package let bytes: Int
    package let sha256: ContentHash

    package init(file: String, bytes: Int, sha256: ContentHash) {
        self.file = file
        self.bytes = bytes
        self.sha256 = sha256
    }
}

/// `run.resumed`: a later process goes on with this run.
package struct RunResumed: Sendable, Hashable {
    package enum Purpose: String, Sendable, Hashable, CaseIterable { case resume, resolve, abandon }

    package let purpose: Purpose
    package let by: Operator
    /// Torn ends that were cut off since the last such record; mostly empty.
    package let cuts: [JournalCut]

    package init(purpose: Purpose, by: Operator, cuts: [JournalCut] = []) {
        self.purpose = purpose
        self.by = by
        self.cuts = cuts
    }
}

/// `lock.taken`: the fence number under which this session works on the hosts.
package struct LockTaken: Sendable, Hashable {
    package let epoch: Int

    package init(epoch: Int) { self.epoch = epoch }
}

/// `run.interrupted`: a signal asked the run to stop; no new step is begun.
package struct RunInterrupted: Sendable, Hashable {
    package enum Signal: String, Sendable, Hashable, CaseIterable {
        case hangUp = "HUP"
        case interrupt = "INT"
        case terminate = "TERM"
    }

    package let signal: Signal

    package init(signal: Signal) { self.signal = signal }
}

/// `run.end`: the last record of a session that ended orderly.
package struct RunEnd: Sendable, Hashable {
    package enum Result: String, Sendable, Hashable, CaseIterable {
        /// Every step is ok or skipped; nothing may follow.
        case done
        /// Nothing is left to do; where failures do not stop a run, some steps failed or were refused. Nothing may follow.
        case partial
        /// Something failed, is unknown or was left for later; the run can be resumed.
        case held
        /// A person gave the run up; nothing may follow.
        case abandoned
    }

    package let result: Result
    package let exitCode: ExitCode
    /// Counts and texts for reports.
    package let summary: JSONValue

    package init(result: Result, exitCode: ExitCode, summary: JSONValue = .null) {
        self.result = result
        self.exitCode = exitCode
        self.summary = summary
    }
}

/// `stage.gate`: a gate after a batch was decided.
package struct StageGate: Sendable, Hashable {
    package let stage: String
    package let passed: Bool
    package let waited: Duration
    /// What the gate looked at, or what it waited for.
    package let detail: String
    /// The gate's kind; nil in journals of before it was recorded.
    package let gate: String?

    package init(stage: String, gate: String? = nil, passed: Bool, waited: Duration, detail: String) {
        self.stage = stage
        self.gate = gate
        self.passed = passed
        self.waited = .milliseconds(waited.milliseconds)
        self.detail = detail
    }
}

/// `note`: something worth keeping that changes no state.
package struct Note: Sendable, Hashable {
    /// `ui.lost`, `clock.jump` or another dotted name.
    package let kind: String
    package let detail: JSONValue

    package init(kind: String, detail: JSONValue = .null) {
        self.kind = kind
        self.detail = detail
    }
}
