/// What the argument parser does not know and a manual has to say.
enum ManualText {
    /// The table of Docs/ExitCodes.md; a test compares them.
    static let exitCodes: [(String, String)] = [
        ("0", "all that was asked is done and recorded"),
        ("1", "a fault of Rollbook itself"),
        ("2", "wrong use of the command line"),
        ("3", "an input file is not valid, or changes are pending (plan --check); nothing was contacted or changed"),
        ("4", "refused before any change; for monitoring commands: what was looked for is not there"),
        ("5", "a step failed; its outcome is known"),
        ("6", "a step's outcome is unknown: a probe or a person is needed"),
        ("7", "another run holds the cluster, here or from another controller"),
        ("8", "the plan is stale or was already applied"),
        ("9", "a journal, plan, backup or manifest does not verify"),
        ("10", "could not connect or log in; nothing was sent"),
        ("11", "host key, wrong machine, ownership, mode, symbolic link"),
        ("12", "the local disk is full, read-only or failing"),
        ("13", "some targets done, others failed"),
        ("14", "time ran out while waiting; nothing was forced"),
        ("129, 130, 143", "stopped cleanly after HUP, INT, TERM"),
    ]

    static let environment: [(String, String)] = [
        ("ROLLBOOK_INVENTORY", "The inventory file, where --inventory does not name one."),
        ("ROLLBOOK_STATE_DIR", "The folder of runs, locks and backups, where --state-dir does not name one."),
        ("NO_COLOR", "When it is not empty: no colours, and plain progress unless --progress live is given."),
        ("TERM", "When it is dumb, or not set: plain progress."),
        ("SSH_AUTH_SOCK", "The ssh-agent whose keys are offered."),
    ]

    static let files: [(String, String)] = [
        ("/etc/rollbook/inventory/", "The inventory, where it is the only one."),
        ("/etc/rollbook/runbooks/", "Runbooks of your own; ./Runbooks comes first."),
        ("/etc/default/rollbook", "Environment of the systemd units rollbook@.service."),
        ("/var/lib/rollbook/", "Runs, locks and backups of root; of others ~/.local/state/rollbook."),
        ("~/.ssh/config, ~/.ssh/known_hosts", "What the inventory does not say is taken from there."),
    ]
}
