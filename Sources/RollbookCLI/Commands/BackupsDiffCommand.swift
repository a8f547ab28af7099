import ArgumentParser
import BackupStore
import ClusterModel
import struct EtcdSnapshot.SnapshotDifference
import struct EtcdSnapshot.SnapshotProblem
import RunEngine

/// `backups diff A B`: which objects were removed, added and changed between two snapshots.
struct BackupsDiffCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff",
        abstract: "Compare two etcd snapshots: objects removed, added and changed, by kind, namespace and name.",
        discussion: """
            Both are verified first. An object counts as changed when its stored value differs. What is gone comes first, then \
            what is new, then what changed; leases and events, which a cluster writes all the time, come last. \
            Names are printed, values never.
            """
    )

    @Argument(help: "Backup id or snapshot file: the state before.") var before: String
    @Argument(help: "Backup id or snapshot file: the state after.") var after: String
    @OptionGroup var snapshot: SnapshotOptions
    @OptionGroup var cluster: ClusterOptions
    @Option(help: "Objects to list, 0 to 10000; the totals count all.") var limit: Int = 50
    @Option(help: ArgumentHelp("Only keys that begin with this, such as /registry/deployments/.", valueName: "key"))
    var under: String = ""

    func validate() throws {
        let longest = DifferenceView.longestList
        guard (0...longest).contains(limit) else {
            throw ValidationError("--limit takes a number from 0 to \(longest)")
        }
    }

    func run() async throws {
        let old = try await VerifiedSnapshot.open(before, snapshot, cluster)
        let new = try await VerifiedSnapshot.open(after, snapshot, cluster)
        let difference: SnapshotDifference
        do throws(SnapshotProblem) {
            difference = try old.contents.difference(
                to: new.contents,
                prefix: snapshot.keyPrefix,
                under: under,
                limit: limit
            )
        } catch {
            throw error.message(at: "\(old.label), \(new.label)", next: nil)
        }
        let view = DifferenceView(
            before: side(old),
            after: side(new),
            difference: difference,
            prefix: snapshot.keyPrefix
        )
        if cluster.state.format == .json {
            try JSONAnswer.print(view.json)
        } else {
            Terminal.answer(view.text)
        }
        for note in view.notes { Terminal.error("rollbook: note: \(note)") }
    }

    private func side(_ opened: VerifiedSnapshot) -> DifferenceView.Side {
        DifferenceView.Side(
            label: opened.label,
            revision: opened.report.revision,
            kubeSystemUID: opened.report.kubeSystemUID,
            etcdClusterID: opened.recorded?.manifest.etcd.clusterID
        )
    }
}
