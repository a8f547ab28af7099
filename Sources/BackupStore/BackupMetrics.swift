package import ClusterModel

/// What node_exporter's textfile collector is told of one cluster's backups.
package struct BackupMetrics: Sendable, Hashable {
    package var lastRun: UTCMoment
    /// Of the last run that published a good set; kept from the previous file when this run failed.
    package var lastSuccess: UTCMoment?
    package var exitCode: ExitCode
    package var duration: Duration
    package var snapshotBytes: Int64?
    package var snapshotRevision: Int64?
    package var verifiedLevel: Int?
    package var sets: Int
    /// Of the last restore test (level 3) that passed; kept like `lastSuccess`.
    package var lastRestoreTest: UTCMoment?

    package init(
        lastRun: UTCMoment,
        lastSuccess: UTCMoment? = nil,
        exitCode: ExitCode,
        duration: Duration,
        snapshotBytes: Int64? = nil,
        snapshotRevision: Int64? = nil,
        verifiedLevel: Int? = nil,
        sets: Int,
        lastRestoreTest: UTCMoment? = nil
    ) {
        self.lastRun = lastRun
        self.lastSuccess = lastSuccess
        self.exitCode = exitCode
        self.duration = duration
        self.snapshotBytes = snapshotBytes
        self.snapshotRevision = snapshotRevision
        self.verifiedLevel = verifiedLevel
        self.sets = sets
        self.lastRestoreTest = lastRestoreTest
    }

    /// The sample values by metric name, without the prefix; what is unknown has no sample.
    var samples: [MetricsText.Name: Int64] {
        var samples: [MetricsText.Name: Int64] = [
            .lastRun: lastRun.seconds, .exitCode: Int64(exitCode.rawValue),
            .duration: duration.components.seconds, .sets: Int64(sets),
        ]
        samples[.lastSuccess] = lastSuccess?.seconds
        samples[.snapshotBytes] = snapshotBytes
        samples[.snapshotRevision] = snapshotRevision
        samples[.verifiedLevel] = verifiedLevel.map(Int64.init)
        samples[.lastRestoreTest] = lastRestoreTest?.seconds
        return samples
    }
}

/// The Prometheus text format, version 0.0.4, as far as these metrics need it; without timestamps, which the textfile
/// collector refuses.
enum MetricsText {
    enum Name: String, CaseIterable, Sendable {
        case lastRun = "rollbook_backup_last_run_timestamp_seconds"
        case lastSuccess = "rollbook_backup_last_success_timestamp_seconds"
        case exitCode = "rollbook_backup_last_exit_code"
        case duration = "rollbook_backup_duration_seconds"
        case snapshotBytes = "rollbook_backup_snapshot_bytes"
        case snapshotRevision = "rollbook_backup_snapshot_revision"
        case verifiedLevel = "rollbook_backup_verified_level"
        case sets = "rollbook_backup_sets"
        case skipped = "rollbook_backup_skipped_total"
        case lastRestoreTest = "rollbook_backup_restore_test_success_timestamp_seconds"

        var help: String {
            switch self {
            case .lastRun: "When the last backup run ended."
            case .lastSuccess: "When the last run that published a good backup ended."
            case .exitCode: "Exit code of the last backup run."
            case .duration: "How long the last backup run took."
            case .snapshotBytes: "Size of the newest good etcd snapshot."
            case .snapshotRevision: "etcd revision of the newest good snapshot."
            case .verifiedLevel: "Verification level (0 to 3) of the newest good backup."
            case .sets: "Number of published backups."
            case .skipped: "Runs that did not start because another one was at work."
            case .lastRestoreTest: "When a backup was last restored successfully as a test."
            }
        }
    }

    static func text(_ samples: [Name: Int64], cluster: ClusterID) -> String {
        var text = ""
        for name in Name.allCases {
            guard let value = samples[name] else { continue }
            text += "# HELP \(name.rawValue) \(name.help)\n"
            text += "# TYPE \(name.rawValue) \(name == .skipped ? "counter" : "gauge")\n"
            text += "\(name.rawValue){cluster=\"\(cluster)\"} \(value)\n"
        }
        return text
    }

    /// The samples of this cluster in an earlier file; lines that are not ours are passed over.
    static func samples(in text: String, cluster: ClusterID) -> [Name: Int64] {
        var samples: [Name: Int64] = [:]
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            for name in Name.allCases {
                let start = "\(name.rawValue){cluster=\"\(cluster)\"} "
                if line.hasPrefix(start) { samples[name] = Int64(line.dropFirst(start.count)) }
            }
        }
        return samples
    }
}
