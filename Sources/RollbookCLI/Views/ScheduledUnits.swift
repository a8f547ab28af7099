/// The systemd service and timer that run a runbook every day: what `schedule` prints for one runbook, and the
/// templates that packages install for all of them.
struct ScheduledUnits {
    /// Without suffix: `rollbook-NAME`, or `rollbook@` for templates.
    let name: String
    /// As it stands in descriptions; `%i` is the instance of a template.
    let runbook: String
    let command: [String]
    let hour: String
    let minute: String
    /// A file of variables that need not be there.
    var environmentFile: String?

    /// For `systemctl enable --now rollbook@RUNBOOK.timer`; the inventory is the one that the program finds.
    static let template = ScheduledUnits(
        name: "rollbook@",
        runbook: "%i",
        command: ["/usr/bin/rollbook", "run", "%i", "--yes", "--quiet"],
        hour: "02",
        minute: "15",
        environmentFile: "/etc/default/rollbook"
    )

    /// The service is a oneshot: a timer that fires while it still runs starts nothing, and the lock says so besides.
    var service: String {
        """
        [Unit]
        Description=Rollbook \(runbook)
        Wants=network-online.target
        After=network-online.target

        [Service]
        Type=oneshot
        \(environmentFile.map { "EnvironmentFile=-\($0)\n" } ?? "")ExecStart=\(command.joined(separator: " "))
        TimeoutStartSec=4h
        TimeoutStopSec=2min
        UMask=0077
        Nice=10
        IOSchedulingClass=idle
        NoNewPrivileges=yes
        PrivateTmp=yes
        """
    }

    var timer: String {
        """
        [Unit]
        Description=Rollbook \(runbook) every day at \(hour):\(minute)

        [Timer]
        OnCalendar=*-*-* \(hour):\(minute):00
        Persistent=true
        RandomizedDelaySec=5min

        [Install]
        WantedBy=timers.target
        """
    }

    /// Both, with the file that each goes to and how to begin.
    var printed: String {
        """
        # /etc/systemd/system/\(name).service
        \(service)

        # /etc/systemd/system/\(name).timer
        \(timer)

        # systemctl daemon-reload && systemctl enable --now \(name).timer
        """
    }
}
