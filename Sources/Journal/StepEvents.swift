package import ClusterModel

/// Whether a step may be sent again when nobody knows what came of it.
package enum StepClass: String, Sendable, Hashable, Codable, CaseIterable {
    /// Changes nothing; repeats freely.
    case read
    /// Repeating it changes nothing more; repeats freely.
    case idempotent
    /// Runs under an operation record on the host, which makes the same operation id run at most once.
    case guarded
    /// Never repeated by the program: a person is asked.
    case manual
}

/// `step.intent`: durable before the first byte of the attempt is sent.
package struct StepIntent: Sendable, Hashable {
    package let step: StepID
    /// 1 for the first attempt, then one more each time.
    package let attempt: Int
    /// Operation id on the host, never used twice in a run.
    package let operation: String
    package let stepClass: StepClass
    /// Hash of what will be sent.
    package let arguments: ContentHash

    package init(step: StepID, attempt: Int, operation: String, stepClass: StepClass, arguments: ContentHash) {
        self.step = step
        self.attempt = attempt
        self.operation = operation
        self.stepClass = stepClass
        self.arguments = arguments
    }
}

/// One captured output of a step: what is stored of it, durable before the outcome that names it.
package struct OutputRecord: Sendable, Hashable {
    /// Path within the folder of the run, `out/<step>.<attempt>.out`.
    package let name: String
    /// Hash of the stored bytes.
    package let sha256: ContentHash
    /// Number of stored bytes.
    package let bytes: Int
    /// Whether there was more than what is stored.
    package let truncated: Bool

    package init(name: String, sha256: ContentHash, bytes: Int, truncated: Bool) {
        self.name = name
        self.sha256 = sha256
        self.bytes = bytes
        self.truncated = truncated
    }
}

/// `step.outcome`: what came of an attempt, durable before anything that depends on it begins.
package struct StepOutcome: Sendable, Hashable {
    package enum Result: String, Sendable, Hashable, Codable, CaseIterable {
        case ok, failed
        /// Sent, but what came of it is not known.
        case unknown
        /// There was nothing to do; nothing was sent.
        case skipped
        /// A guard said no; nothing was changed.
        case refused
    }

    package let step: StepID
    package let attempt: Int
    package let result: Result
    /// The outcome was read from the host's record of an earlier send.
    package let reattached: Bool
    /// What later steps use; null when there is none.
    package let output: JSONValue
    /// Why, for people.
    package let message: String?
    package let outputs: [OutputRecord]
    package let duration: Duration

    package init(
        step: StepID,
        attempt: Int,
        result: Result,
        reattached: Bool = false,
        output: JSONValue = .null,
        message: String? = nil,
        outputs: [OutputRecord] = [],
        duration: Duration = .zero
    ) {
        self.step = step
        self.attempt = attempt
        self.result = result
        self.reattached = reattached
        self.output = output
        self.message = message
        self.outputs = outputs
        self.duration = .milliseconds(duration.milliseconds)
    }
}

/// `step.probe`: whether the effect of an attempt is there.
package struct StepProbe: Sendable, Hashable {
    package enum Finding: String, Sendable, Hashable, Codable, CaseIterable { case done, notDone, cannotTell }

    package let step: StepID
    package let attempt: Int
    package let finding: Finding
    /// What was seen.
    package let detail: String

    package init(step: StepID, attempt: Int, finding: Finding, detail: String) {
        self.step = step
        self.attempt = attempt
        self.finding = finding
        self.detail = detail
    }
}

/// `step.resolved`: a person's answer to an unknown outcome.
package struct StepResolved: Sendable, Hashable {
    package enum Answer: String, Sendable, Hashable, CaseIterable { case done, notDone }

    package let step: StepID
    package let attempt: Int
    package let by: String
    package let answer: Answer
    package let why: String

    package init(step: StepID, attempt: Int, by: String, answer: Answer, why: String) {
        self.step = step
        self.attempt = attempt
        self.by = by
        self.answer = answer
        self.why = why
    }
}
