$files = '/bundles/sample/1/compiled/puppet/files'
Exec { timeout => 0, logoutput => false }
File { backup => false, show_diff => false }

exec { '0:package':
  command => ['/bin/sh', "${files}/run.sh", '0', 'act'],
  unless => [['/bin/sh', "${files}/run.sh", '0', 'look']],
}
exec { '1:package':
  command => ['/bin/sh', "${files}/run.sh", '1', 'act'],
  unless => [['/bin/sh', "${files}/run.sh", '1', 'look']],
}
