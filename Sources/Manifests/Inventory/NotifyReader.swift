import ClusterModel

/// Reads the `notify:` section.
struct NotifyReader {
    let log: ProblemLog
    let paths: ControllerPaths

    func read(_ top: Section, besides backup: BackupPolicy) -> NotifyPolicy {
        var policy = NotifyPolicy()
        guard let section = top.section("notify") else { return policy }
        policy.webhooks = sections(section, "webhooks").compactMap(webhook)
        policy.commands = sections(section, "commands").compactMap(command)
        policy.pings = sections(section, "pings").compactMap(ping)
        if let file = section.string("metricsFile"),
            let path = paths.resolve(file, section.name("metricsFile"), log: log)
        {
            policy.metricsFile = path
            if !path.hasSuffix(".prom") {
                log.error("'\(section.name("metricsFile"))' wants a name that ends with '.prom'", at: file.mark)
            }
            if path == backup.metricsFile {
                log.error(
                    "'\(section.name("metricsFile"))' is the file of 'backup.metricsFile': each would remove what the other wrote",
                    at: file.mark,
                    suggestion: "name it rollbook-runs.prom"
                )
            }
        }
        section.finish()
        return policy
    }

    private func sections(_ section: Section, _ key: String) -> [Section] {
        section.list(key).enumerated().compactMap { Section($1, path: "\(section.name(key))[\($0)]", log: log) }
    }

    private func webhook(_ section: Section) -> NotifyPolicy.Webhook? {
        let address = address(section)
        let preset = section.choice("preset", NotifyPolicy.Preset.self)?.value ?? .generic
        let secret = section.string("secretFile")
        if let secret, preset == .slack {
            log.warning("Slack does not check signatures: 'secretFile' has no use here", at: secret.mark)
        }
        let secretFile = secret.flatMap { paths.resolve($0, section.name("secretFile"), log: log) }
        let filter = NotifyPolicy.Filter(on: occasions(section), runbooks: runbooks(section))
        section.finish()
        return address.map { .init(address: $0, preset: preset, secretFile: secretFile, filter: filter) }
    }

    private func command(_ section: Section) -> NotifyPolicy.Command? {
        let words = section.strings("command")
        if !section.has("command") {
            section.missing("command")
        } else if words.isEmpty {
            log.error("'\(section.name("command"))' wants a program and its arguments", at: section.keyMark("command"))
        }
        if let program = words.first, !program.value.hasPrefix("/") {
            log.error(
                "'\(section.name("command"))' begins with the absolute path of a program, and is run without a shell",
                at: program.mark
            )
        }
        let filter = NotifyPolicy.Filter(on: occasions(section), runbooks: runbooks(section))
        section.finish()
        return words.isEmpty ? nil : .init(words: words.map(\.value), filter: filter)
    }

    private func ping(_ section: Section) -> NotifyPolicy.Ping? {
        let address = address(section)
        let runbooks = runbooks(section)
        section.finish()
        return address.map { .init(address: $0, runbooks: runbooks) }
    }

    private func address(_ section: Section) -> NotifyPolicy.Address? {
        let url = section.string("url")
        let file = section.string("urlFile")
        guard section.has("url") != section.has("urlFile") else {
            log.error("'\(section.path)' wants either 'url' or 'urlFile'", at: section.mark)
            return nil
        }
        if let url { return webAddress(url, section.name("url"), log: log).map { .url($0) } }
        return file.flatMap { paths.resolve($0, section.name("urlFile"), log: log) }.map { .file($0) }
    }

    private func occasions(_ section: Section) -> Set<NotifyPolicy.Occasion> {
        guard section.has("on") else {
            _ = section.list("on")
            return NotifyPolicy.Filter().on
        }
        let words = NotifyPolicy.Occasion.allCases.map(\.rawValue)
        let problems = log.count
        let found = section.list("on").enumerated().compactMap {
            log.word($1, "\(section.name("on"))[\($0)]", of: words).flatMap {
                NotifyPolicy.Occasion(rawValue: $0.value)
            }
        }
        if found.isEmpty, log.count == problems {
            log.error("'\(section.name("on"))' names nothing: nobody would ever be told", at: section.keyMark("on"))
        }
        return Set(found)
    }

    private func runbooks(_ section: Section) -> [String] {
        section.strings("runbooks").compactMap { name in
            guard isSafeName(name.value) else {
                log.error(
                    "'\(section.name("runbooks"))': '\(name.value.shortened)' is no name of a runbook",
                    at: name.mark
                )
                return nil
            }
            return name.value
        }
    }
}

/// Logs and returns nil for what is no http or https address.
func webAddress(_ text: Located<String>, _ name: String, log: ProblemLog) -> WebAddress? {
    guard let address = WebAddress(text.value) else {
        log.error("'\(name)' wants an http:// or https:// address", at: text.mark)
        return nil
    }
    return address
}
