package import ClusterModel
import SystemPackage

/// The file that node_exporter's textfile collector reads; readable by everybody, and always whole (fault B07).
package struct MetricsFile: Sendable {
    package let path: String
    package let cluster: ClusterID

    package init(path: String, cluster: ClusterID) {
        self.path = path
        self.cluster = cluster
    }

    /// Writes the outcome of a run; times that it does not know, and the count of skipped runs, are taken over.
    ///
    /// `writer` makes the temporary name unique. Errors: `invalidName`, `storage`; they never undo a backup.
    package func write(_ metrics: BackupMetrics, writer: RunID) throws(BackupError) {
        try update(writer) { samples in
            let before = samples
            samples = metrics.samples
            for name in [
                MetricsText.Name.lastSuccess, .lastRestoreTest, .snapshotBytes, .snapshotRevision, .verifiedLevel,
            ]
            where samples[name] == nil { samples[name] = before[name] }
            samples[.skipped] = before[.skipped] ?? 0
        }
    }

    /// Counts a run that did not start because another one held the cluster (fault B05).
    package func noteSkipped(writer: RunID) throws(BackupError) {
        try update(writer) { $0[.skipped, default: 0] += 1 }
    }

    /// Notes a restore test that passed.
    package func noteRestoreTest(at moment: UTCMoment, writer: RunID) throws(BackupError) {
        try update(writer) { $0[.lastRestoreTest] = moment.seconds }
    }

    private func update(
        _ writer: RunID,
        _ change: (inout [MetricsText.Name: Int64]) -> Void
    ) throws(BackupError) {
        guard path.hasPrefix("/"), path.hasSuffix(".prom"), let slash = path.lastIndex(of: "/") else {
            throw .invalidName(path, expected: "absolute path of a .prom file")
        }
        let name = String(path[path.index(after: slash)...])
        let parent = slash == path.startIndex ? "/" : String(path[..<slash])
        let folder = try Directory.shared(at: parent)
        var samples = MetricsText.samples(in: folder.sharedText(of: name) ?? "", cluster: cluster)
        change(&samples)
        let temporary = ".\(name).\(writer.text)"
        try folder.removeFile(temporary)
        let file = try folder.createFile(temporary)
        defer { try? file.close() }
        do throws(Errno) {
            try file.writeCompletely(Array(MetricsText.text(samples, cluster: cluster).utf8))
            try file.setMode(0o644)
            try file.synchronize()
        } catch {
            try? folder.removeFile(temporary)
            throw folder.failure(error.rawValue, "write", temporary)
        }
        try folder.replaceFile(name, from: temporary)
        try folder.sync()
    }
}
