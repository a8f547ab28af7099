import ClusterModel
import struct EtcdSnapshot.KeyHistory
import struct EtcdSnapshot.StoredRevision

/// What a key's history means for the one who asked for its value: the change to read, or why there is none.
struct KeyAnswer {
    let key: String
    /// The revision asked for; nil for the newest.
    let revision: Int64?
    let label: String
    /// The backup or file as a command takes it.
    let source: String
    /// The newest revision of the snapshot.
    let newest: Int64
    let compacted: Int64?

    /// - Throws: exit 4 where the key is not there, was deleted, or its past is compacted away.
    func change(in history: KeyHistory) throws(OperatorMessage) -> StoredRevision {
        if let revision, revision > newest {
            throw refusal("the snapshot ends at revision \(newest)", next: "leave --revision out for the newest value")
        }
        guard let found = history.found else { throw absent(history) }
        guard !found.isTombstone else {
            let older = history.kept.first { $0 < found.revision.main }
            throw refusal(
                "it was deleted at revision \(found.revision.main)",
                next: older.map { "its value before: add --revision \($0)" }
            )
        }
        return found
    }

    private func absent(_ history: KeyHistory) -> OperatorMessage {
        if history.changes == 0 {
            let names = history.longerKeys.map { String(decoding: $0, as: UTF8.self) }
            guard let first = names.first else {
                let forgotten = compacted.map { "What was deleted up to revision \($0) is compacted away" }
                return refusal("there is no such key", state: forgotten, next: "rollbook backups inspect \(source)")
            }
            let number = names.count == KeyHistory.listLimit ? "many begin" : "\(names.count) begin"
            return refusal("there is no such key, but \(number) with it", next: "give a whole key, such as \(first)")
        }
        let oldest = history.changes <= KeyHistory.listLimit ? history.kept.last : nil
        let state =
            "\(history.changes) of its changes are kept" + (oldest.map { ", the oldest of revision \($0)" } ?? "")
        if let revision, let compacted, revision < compacted {
            return refusal(
                "what it was at revision \(revision) is not known: history up to \(compacted) is compacted",
                state: state
            )
        }
        return refusal("it was not there yet at revision \(revision ?? newest)", state: state)
    }

    private func refusal(_ event: String, state: String? = nil, next: String? = nil) -> OperatorMessage {
        OperatorMessage(.refused, at: "\(label): \(key)", event, state: state, next: next)
    }
}
