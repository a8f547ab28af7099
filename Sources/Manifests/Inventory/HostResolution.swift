import ClusterModel

/// Merges host drafts with the inventory's `ssh:` section, `~/.ssh/config` and the built-in defaults, in this order.
struct HostResolution {
    let drafts: [HostDraft]
    let defaults: SSHDraft
    let context: InventoryContext
    let log: ProblemLog

    /// The hosts in the order of `drafts`; problems of their jump chains are logged.
    func resolve() -> [Host] {
        var settings = drafts.map(merged)
        var chains = JumpChains(drafts: drafts, settings: settings, defaults: defaults, context: context, log: log)
        for index in drafts.indices { settings[index].jump = chains.chain(of: index) }
        warnOfMissingRoot(settings)
        return zip(drafts, settings).map { draft, ssh in
            let cluster = (draft.clusterAddress ?? draft.address).value.description
            return Host(
                name: draft.name.value,
                role: draft.role,
                ssh: ssh,
                clusterAddress: cluster,
                labels: draft.labels
            )
        }
    }

    private func merged(_ draft: HostDraft) -> SSHSettings {
        let own = draft.ssh
        let entry = context.sshDefaults.entry(for: draft.address.value.description)
        let user = own.user?.value ?? defaults.user?.value ?? entry.user ?? context.user
        // An address that is a number is already what HostName would give; the inventory wins.
        let address = draft.address.value.ip?.description ?? entry.hostName ?? draft.address.value.description
        return SSHSettings(
            address: address,
            port: own.port?.value ?? defaults.port?.value ?? entry.port ?? 22,
            user: user,
            identities: identities(own, entry),
            knownHosts: knownHosts(own, entry),
            hostKeyAlias: own.hostKeyAlias ?? entry.hostKeyAlias,
            become: become(own, user: user),
            connectTimeout: own.connectTimeout ?? defaults.connectTimeout ?? .seconds(10)
        )
    }

    /// Files of the inventory come first and silence the agent unless `agent: true`; otherwise the agent comes first.
    private func identities(_ own: SSHDraft, _ entry: SSHDefaultsEntry) -> [SSHIdentity] {
        let source = own.identityFiles == nil ? defaults : own
        let agent = own.agent ?? (own.identityFiles == nil ? defaults.agent : nil)
        if let files = source.identityFiles {
            return files.map { .file(path: $0, passphraseFile: source.passphraseFile) }
                + (agent == true ? [.agent] : [])
        }
        let files = entry.identityFiles.isEmpty ? context.defaultIdentityFiles : entry.identityFiles
        let offersAgent = agent ?? !entry.identitiesOnly
        return (offersAgent ? [.agent] : []) + files.map { .file(path: $0, passphraseFile: nil) }
    }

    private func knownHosts(_ own: SSHDraft, _ entry: SSHDefaultsEntry) -> [String] {
        if let files = own.knownHosts ?? defaults.knownHosts { return files }
        if !entry.knownHosts.isEmpty { return entry.knownHosts }
        return [context.homeDirectory + "/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts"]
    }

    /// Nothing written means: root needs nothing, anyone else `sudo -n`.
    private func become(_ own: SSHDraft, user: String) -> Become {
        let word = own.become?.value ?? defaults.become?.value ?? (user == "root" ? BecomeWord.none : .sudo)
        guard word == .sudo else { return .no }
        return (own.becomePasswordFile ?? defaults.becomePasswordFile).map(Become.sudoWithPassword) ?? .sudo
    }

    private func warnOfMissingRoot(_ settings: [SSHSettings]) {
        guard let index = settings.firstIndex(where: { $0.become == .no && $0.user != "root" }) else { return }
        let mark = drafts[index].ssh.become?.mark ?? defaults.become?.mark ?? drafts[index].name.mark
        log.warning(
            "'\(settings[index].user)' on host '\(drafts[index].name.value)' is not root and 'become: none' is set: most"
                + " steps need root",
            at: mark,
            suggestion: "write 'become: sudo'"
        )
    }
}
