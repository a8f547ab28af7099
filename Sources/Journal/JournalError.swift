package import ClusterModel

/// Why a journal, its lock or its folder cannot be used.
package enum JournalError: Error, Sendable, Hashable {
    /// Writing, reading or syncing `path` failed while doing `task`; `cause` is the system's text.
    case storage(path: String, task: String, cause: String, state: String? = nil)
    /// What is stored does not verify, or was changed by someone else; it is not used.
    case integrity(path: String, reason: String)
    /// A file or folder could be changed by someone else; `remedy` is what to do about it.
    case security(path: String, reason: String, remedy: String)
    /// Another process holds the cluster or the run; `holder` is what it said about itself, when it did.
    case locked(what: String, holder: String?)
    /// Written by another version of the format.
    case otherVersion(path: String, version: Int)
    /// The run is done or abandoned, so there is nothing to go on with.
    case ended(RunID, RunState.Status)
    /// The caller asked to record what cannot follow; nothing was written.
    case illegal(IllegalTransition)
    /// The caller asked to record more than fits in one record; nothing was written. Long text belongs in out/.
    case tooLarge(event: String, bytes: Int)

    package var code: ExitCode { message.code }

    /// The error in the words for the person at the terminal.
    package var message: OperatorMessage {
        switch self {
        case .storage(let path, let task, let cause, let state):
            OperatorMessage(
                .storage,
                at: path,
                "cannot \(task) (\(cause))",
                state: state,
                next: "make room or mend the disk of \(path), then start again"
            )
        case .integrity(let path, let reason):
            OperatorMessage(
                .integrity,
                at: path,
                "\(reason)",
                state: "It is not used, and was not changed",
                next: "rollbook journal verify, and compare with a copy of the folder"
            )
        case .security(let path, let reason, let remedy):
            OperatorMessage(.security, at: path, reason, state: "Nothing was read or written there", next: remedy)
        case .locked(let what, let holder):
            OperatorMessage(
                .locked,
                holder.map { "\($0) holds \(what)" } ?? "another process holds \(what)",
                state: "Nothing was done",
                next: "wait for it to end; rollbook runs shows where it is"
            )
        case .otherVersion(let path, let version):
            OperatorMessage(
                .stale,
                at: path,
                "the journal has format version \(version), this program knows \(RecordFrame.version)",
                state: "It is not used",
                next: "finish the run with the release of Rollbook that began it"
            )
        case .ended(let run, let status):
            OperatorMessage(
                .stale,
                at: run.text,
                "the run is \(status.rawValue)",
                state: "There is nothing to go on with",
                next: "rollbook show \(run)"
            )
        case .illegal(let transition):
            OperatorMessage(
                .fault,
                "\(transition)",
                state: "Nothing was written",
                next: "report this as a fault of Rollbook"
            )
        case .tooLarge(let event, let bytes):
            OperatorMessage(
                .fault,
                "\(event) takes \(bytes) bytes, a record has at most \(RecordFrame.maximumLength)",
                state: "Nothing was written",
                next: "report this as a fault of Rollbook"
            )
        }
    }
}
