import ClusterModel

/// Reads the `backup:` section.
struct BackupReader {
    let log: ProblemLog
    let paths: ControllerPaths

    func read(_ top: Section) -> BackupPolicy {
        var policy = BackupPolicy()
        guard let section = top.section("backup") else { return policy }
        if let etcd = section.section("etcd") {
            policy.snapshotFrom = etcd.choice("from", BackupPolicy.SnapshotSource.self)?.value ?? .all
            etcd.finish()
        }
        let encryption = section.choice("encryption", BackupPolicy.Encryption.self)
        policy.encryption = encryption?.value ?? .none
        let recipients = section.strings("recipients")
        policy.recipients = recipients.filter { isRecipient($0, section.name("recipients")) }.map(\.value)
        policy.recipientsFile = file(section, "recipientsFile")?.value
        policy.whenDegraded = section.choice("whenDegraded", BackupPolicy.WhenDegraded.self)?.value ?? .store
        policy.interval =
            section.duration("interval", in: .seconds(300)...(.seconds(366 * 86400)))?.value ?? policy.interval
        policy.retention = section.section("retention").map(retention) ?? policy.retention
        if let metrics = file(section, "metricsFile") {
            policy.metricsFile = metrics.value
            if !metrics.value.hasSuffix(".prom") {
                log.warning(
                    "node_exporter reads only files that end with '.prom'",
                    at: metrics.mark,
                    suggestion: "name it rollbook.prom"
                )
            }
        }
        policy.pingURL = section.section("ping").flatMap(pingURL)
        checkEncryption(section, encryption, isForSomebody: !recipients.isEmpty || section.has("recipientsFile"))
        section.finish()
        return policy
    }

    private func file(_ section: Section, _ key: String) -> Located<String>? {
        guard let text = section.string(key), let path = paths.resolve(text, section.name(key), log: log) else {
            return nil
        }
        return Located(value: path, mark: text.mark)
    }

    private func checkEncryption(
        _ section: Section,
        _ encryption: Located<BackupPolicy.Encryption>?,
        isForSomebody: Bool
    ) {
        if let encryption, encryption.value == .required, !isForSomebody {
            log.error(
                "'backup.encryption' is required, but there is no recipient to encrypt to",
                at: encryption.mark,
                suggestion: "write 'recipients: [age1…]' or 'recipientsFile'"
            )
        }
        if !(encryption.map { $0.value != BackupPolicy.Encryption.none } ?? false), isForSomebody {
            log.warning(
                "recipients are named, but without 'encryption' backups are stored in the clear",
                at: section.keyMark(section.has("recipients") ? "recipients" : "recipientsFile"),
                suggestion: "write 'encryption: required'"
            )
        }
    }

    private func retention(_ section: Section) -> RetentionPolicy {
        var policy = RetentionPolicy()
        let counts = 0...100_000
        policy.last = section.integer("last", in: counts)?.value ?? policy.last
        policy.daily = section.integer("daily", in: counts)?.value ?? policy.daily
        policy.weekly = section.integer("weekly", in: counts)?.value ?? policy.weekly
        policy.monthly = section.integer("monthly", in: counts)?.value ?? policy.monthly
        policy.minGood = section.integer("minGood", in: 1...100_000)?.value ?? policy.minGood
        section.finish()
        if policy.last + policy.daily + policy.weekly + policy.monthly == 0 {
            log.error(
                "'backup.retention' keeps nothing: a policy of zeros is refused",
                at: section.mark,
                suggestion: "write at least 'last: 1'"
            )
        }
        return policy
    }

    private func pingURL(_ section: Section) -> String? {
        let text = section.string("url", required: true)
        section.finish()
        return text.flatMap { webAddress($0, section.name("url"), log: log) }?.text
    }

    private func isRecipient(_ text: Located<String>, _ name: String) -> Bool {
        switch AgeRecipient.check(text.value) {
        case .valid: return true
        case .secret:
            log.error(
                "'\(name)': this is a private key, and it is now known to whoever can read this file",
                at: text.mark,
                suggestion: "make a new key with age-keygen, and write its public key (age1…) here"
            )
        case .damaged:
            log.error(
                "'\(name)': '\(text.value.shortened)' is mistyped: its checksum does not match",
                at: text.mark,
                suggestion: "copy the public key again"
            )
        case .unknown:
            log.error(
                "'\(name)': '\(text.value.shortened)' is no recipient",
                at: text.mark,
                suggestion: "write an age public key (age1…) or an SSH public key (ssh-ed25519 …)"
            )
        }
        return false
    }
}
