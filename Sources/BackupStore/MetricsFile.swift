package import ClusterModel

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
        try SharedTextFile(path: path).rewrite(writer: writer) { text in
            var samples = MetricsText.samples(in: text, cluster: cluster)
            change(&samples)
            return MetricsText.text(samples, cluster: cluster)
        }
    }
}
