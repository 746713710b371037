//! Word lists for the filters: placeholder values, shared accounts, and words that are not names.
//!
//! Every list is in lower case. Add a word here if a rule matches it by mistake in ordinary text.

use std::collections::HashSet;
use std::sync::OnceLock;

/// A list of words separated by spaces; the set for look-ups is built on first use.
pub(crate) struct WordList {
    text: &'static str,
    set: OnceLock<HashSet<&'static str>>,
    list: OnceLock<Vec<&'static str>>,
}

impl WordList {
    pub(crate) const fn new(text: &'static str) -> WordList {
        WordList { text, set: OnceLock::new(), list: OnceLock::new() }
    }

    /// Whether the word, which must be in lower case, is in the list.
    pub fn has(&self, word: &str) -> bool {
        self.set.get_or_init(|| self.text.split_whitespace().collect()).contains(word)
    }

    /// Returns the words in the order of the source.
    pub fn list(&self) -> &[&'static str] {
        self.list.get_or_init(|| self.text.split_whitespace().collect())
    }
}

/// Parts of a value that show that it is a placeholder: `changeme`, `your-`, `xxxx`.
pub(crate) static PLACEHOLDER_PARTS: WordList = WordList::new(
    "\
    **** -here .... 12345678901 <your _here abc123xyz abcdefgh change-me change-this change_me \
    change_this changeme changethis deadbeef default_ dummy enter- enter_ example example_ fake fixme \
    foobar goes-here goes_here hidden insert lorem masked my-api-key my-password my_api_key my_password \
    my_secret my_token mypassword mysecret no_such nosuch not-real not_real notreal placeholder \
    put-your put_your redacted removed replace s3cret_example sample sanitized scrubbed secret_here \
    test_test todo undefined xxxx your- your_ yourapi yourkey yourpass yoursecret yourtoken",
);

/// Whole values that are words of code or manuals: `production`, `none`, `string`.
pub(crate) static PLACEHOLDER_WORDS: WordList = WordList::new(
    "\
    *** admin and any api_key apikey are argon2 array asdf async await bar basic baz bcrypt bearer been \
    bool boolean bytes can const default demo dev development dict empty encrypted env err error \
    expired false foo foobar for from function guest has hashed have here hidden incorrect input int \
    integer invalid is jwt key let list local localhost map masked md5 missing mongo must mysql new nil \
    no none not null number oauth oauth2 object off ok on option optional optional[str] or output pass \
    pass1234 passphrase passwd password plaintext postgres private prod production public pwd redacted \
    redis required return root secret self sha1 sha256 sha512 should some staging str string test \
    testing tests text that the there this token true type unknown user username valid value var void \
    will with wrong yes",
);

/// Account names that identify no person: they are the same on many machines.
pub(crate) static SHARED_ACCOUNTS: WordList = WordList::new(
    "\
    admin administrator agent app appuser azureuser bar build builder centos ci circleci claude code \
    coder codespace codex conda core data debian default deploy dev docker ec2-user example fedora foo \
    git gitlab-runner gitpod guest home jenkins jovyan kali linuxbrew me name nobody node nonroot opc \
    openclaw oracle pi postgres project projects public root runner runneradmin sandbox shared someone \
    spack src steam test travis ubuntu user username users vagrant vscode work workspace www-data you \
    your-name your-username your_name yourname yourusername",
);

/// Accounts of services, and words that occur in the position of an account name.
pub(crate) static SERVICE_ACCOUNTS: WordList = WordList::new(
    "\
    airflow alice anonymous bob bot daemon elastic email false github-actions grafana input jane \
    jenkins john kafka login member minio mongo mysql name neo4j nginx nil nobody none null owner \
    postgres prometheus rabbitmq redis sa self service staff str string superuser svc system text this \
    true undefined unknown value wheel www",
);

/// Words that are capitalised in texts and are not part of a person's name.
pub(crate) static NOT_NAMES: WordList = WordList::new(
    "\
    display supported vendor global medium \
    visual studio merge branch merged check style install setup lint checkout cache upload download configure prepare validate verify generate compile package restore toolchain formatting clippy rust welt world commit deploy deployment publish ubuntu debian macos nightly stable \
    able actions add address airport algorithm also amazon and anthropic apache api april as at august authored \
    authors avenue bash bot build building by checksum claude client code codex column company contributors copilot \
    corp county currently data december dependabot docker doe edit error example false february file \
    first fix foundation friday full gemini github glad glob gmbh going google grep haiku happy header here \
    how http if inc index institute is island january json july june kubernetes lake last license linux llc \
    ltd march may mein meine meinen microsoft monday mount mozilla name new node none not note november \
    now null october on openai opus or please postgres prize project python react read ready redis \
    renovate retries reviewed road run saint san saturday september server service signed software someone \
    sonnet sorry states still street sunday sure table task team test tests that the theorem this thursday \
    todo true trying tuesday type unable united university unknown update user using value warning was we \
    wednesday what windows working write york you your",
);

/// Words of labels, of which some are names of persons too. Words that are all in this list are a label and no name:
/// `Access Token`, `Green Tea`, but `Tom Green`.
pub(crate) static LABEL_WORDS: WordList = WordList::new(
    "\
    access account accounts active activity actual admin advanced agent alert alerts alias all allowed alpha amount analysis annual app \
    application approval archive area arial array asset assets audio auth authentication auto automatic available average \
    avatar avg back backend background backup balance bank bar base based basic batch beta billing binary bit black blank \
    block blue board body bold book boolean border bottom box branch brand break broken browser budget bug bulk business button \
    byte bytes cache cached calendar call cancel capacity card cart case cash cast catalog category cause cell center central \
    certificate chain change changes channel char character chart chat checkbox checkout child choice city class clean clear click \
    clock close cloud cluster coffee collection color colour command comment comments common community compact \
    complete completed completion component compute computer config configuration confirm connection console constraint \
    consumer container content context control controller cookie copy core corner cost costs count counter country \
    coverage create created creation credential credentials credit critical crop cross currency custom customer customers daily dark \
    dash dashboard database dataset date day days dead deadline debit debug default degree delay deleted delivery demand demo \
    density department dependency deployment depth description design desktop destination detail details dev developer \
    development device devices dialog diff digital dimension direct direction directory disabled discount disk \
    dock document documents domain done double down downloads draft drink drive driver due dummy duplicate duration dynamic \
    early east eastern edge effect effective element email embedded employee employees empty enabled encryption end endpoint engine engineer \
    engineering english entity entries entry environment error errors estimate estimated event events exact exchange \
    executive expected expense expiration expired expiry export express extension external extra face factor failed failure \
    fallback family fast favorite favourite feature features fee feedback feed fetch field fields filter final \
    finance financial finish finished fixed flag flash flat flight float floor flow folder follow following font food footer foreign \
    form format forward frame free french frequency friendly front frontend fruit function functional future \
    gas gateway general generic german given global goal gold graph gray green grey grid gross ground group groups \
    growth guest guide half handler hard hardware hash head header headers heading health heart heavy height help \
    hidden high highlight history hit hits hold home hook host hot hotel hour hourly hours house icon icons id \
    ideal identifier identity image images impact import important inactive inbound income incoming index indicator info \
    information initial inner input inputs insert inside install instance integer integration interface internal \
    internet interval inventory invoice issue issues italic item items iteration job jobs join key keys keyboard \
    label labels language large latency latest launch layer layout lead leading leave left legacy legal length \
    letter level levels library life light lime limit limits line linear lines link links liquid lite live \
    load loading local location lock log logs login logo long lookup loop loss lost low lower lunch mail main major \
    manage management manager manual map mapping margin market marketing master match material matrix max maximum \
    mean measure media medical medium meeting member members memory menu merge message messages meta method metric \
    metrics middle migration milk min minimum minor minute minutes missing mobile mode model models module money \
    monitor month monthly more motion mount mouse multi multiple music my name names national native natural navigation \
    negative net network neutral next night node nodes none normal north northern notes notification \
    notifications null number numbers object objects observer office offline offset one online only opacity open \
    operating operation operations operator option options orange order orders organization origin original other \
    out outbound outer output outputs overall overdue overflow overview owner package packages padding page pages paid paint \
    panel paper parameter parameters parent part partial partner parts party pass passed password past path pattern \
    payload payment payments payroll peak pending per percent percentage performance period permission permissions person \
    personal phase phone photo physical picture pink pipeline pixel place placeholder plain plan plans plant plate platform \
    play player plugin point points policy pool pop popular popup port portal position positive post postal power \
    predicted preferred prefix premium preview previous price pricing primary print priority privacy private pro \
    probability problem process processing processor product production products profile profiles profit program \
    progress project projects prompt proof property proposal protocol provider proxy public publisher purchase purple \
    push quality quantity quarter quarterly queries query question queue quick quota quote radio random range rank \
    rate rates rating ratio raw reader reading real reason receipt received recent record records recovery red \
    reduced reference refresh refund region regional regular related relation relative release remaining remote render \
    rental repeat reply report reports repository request requests retry required reserve reserved reset resolution resource \
    resources response rest result results retail retention return revenue review reviews reward right risk role roles \
    rollback room root rotation round route router routing row rows rule rules run running runtime safe safety salary \
    sale sales sandbox sans satellite save saved scale scan scene schedule schema school science scope score screen script scroll sea search \
    season second secondary seconds secret section sector secure security segment select selected selection self semi \
    send sender senior sensor sent sequence serial series serif session sessions set setting settings setup shadow shape share \
    shared sheet shell shift ship shipping shop shopping short shot side signal signature signing simple single site size \
    skill skills sleep slide slot slow small smart smoke smooth snapshot social soft solid sort sound source south \
    southern space spanish speaker special specification speed split sport sports spot square stack staff stage staging standard \
    star start started starter state static station statistics stats step steps stock stop storage store story strategy stream \
    street strength strict string strong structure student studio style sub subject submit subscription subtotal success \
    suite sum summary sun super supplier supply support surface survey swap sweet switch symbol sync system tab tables \
    tag tags target tasks tax tea teal team technical template temporary tenant term terminal terms text texture theme thread \
    threshold throughput thumbnail ticket time timeline timeout timer times timestamp title toggle token tokens tool tools top \
    topic total totals touch track tracking traffic training transaction transfer transform transit transition transport trash travel tree \
    trend trial trigger trip true trust two types typography ultra unique unit units upper upstream uptime urgent usage use used \
    users utility validation valid value values variable vector vehicle vendor verdana version vertical video view viewer views virtual \
    visible visit visitor visual voice volume wallet warehouse warm water wave weather web webhook website week weekly weight \
    west western wheel white wide widget width wifi wild window wine winter wireless wood word words workflow workspace world wrapper \
    write yearly years yellow yield zero zone zoom",
);

/// Frequent words of sentences. A seed phrase contains none of them.
pub(crate) static COMMON_WORDS: WordList = WordList::new(
    "\
    a an and are as at be by for from has if in is it not of or that the this to was with you your",
);

/// Top-level domains that are reserved for examples or local use.
pub(crate) static RESERVED_TLDS: WordList = WordList::new(
    "\
    example internal invalid lan local localhost test",
);

/// Endings of file and unit names, which otherwise read as top-level domains (`user@1000.service`).
pub(crate) static FILE_ENDINGS: WordList = WordList::new(
    "\
    css gif go html jpeg jpg js json lock md mount png py rs service socket svg target timer toml ts \
    tsx webp yaml yml",
);

/// Mail hosts at which nobody has an address: reserved ones, those of automatic senders, and blanks to be filled in.
/// `acme.com`, `email.com` and the like belong to somebody.
pub(crate) static EXAMPLE_MAIL_HOSTS: WordList = WordList::new(
    "\
    anthropic.com_ example.com example.net example.org ingest.sentry.io sentry.io \
    users.noreply.github.com your-company.com your-domain.com yourcompany.com yourdomain.com",
);

/// Local parts of mail addresses in manuals and of automatic senders.
pub(crate) static EXAMPLE_MAIL_LOCALS: WordList = WordList::new(
    "\
    do-not-reply donotreply email example foo git name no-reply noreply somebody someone user username \
    you your-email your.email youremail",
);

/// Words that may follow the keyword in a name that still names the secret itself: `token_prod`, `password_base64`.
pub(crate) static NAME_TAILS: WordList = WordList::new(
    "\
    admin api app auth b64 backup base base64 bot code current data db default dev development env eu \
    hex key live login main new old org password pat pepper phrase plain primary prod production raw \
    read ring ro root rotated rw s salt secondary secret seed stage staging str string temp test \
    testing text tok token us user v1 v2 val value write",
);

/// Words that turn a name into something that is not a secret: `max_tokens`, `primary_key`, `public_key`.
pub(crate) static NAME_DENY: WordList = WordList::new(
    "\
    authenticity bos_token cache_key cache_token cancellation canceltoken checksum cls_token commit \
    content_key continuation csrf csrf_token_name cursor dedup digest eos_token etag fingerprint \
    first_token foreign group_key hotkey i18n idempotency input_token integrity item_key itemkey \
    key_path keyboard keyframe keyof keypath keyword last_token lookup mask_token max_token min_token \
    monkey next_page next_token nexttoken num_token object_key output_token pad_token page_token \
    pagetoken partition primary_key pub_key pubkey public publishable query_key querykey row_key rowkey \
    s3_key sep_token sha1 sha256 shortcut site_key sitekey sort_key sourcekey ssh_key_name stop_token \
    tokenizer translation turkey unk_token websocket xsrf",
);

/// Companies that code, licences and manuals mention; they are not clients of the user.
pub(crate) static PUBLIC_FIRMS: WordList = WordList::new(
    "\
    acme adobe airbnb alibaba alphabet amazon amd anthropic apache apple arm atlassian baidu bytedance \
    canonical cisco cloudflare contoso databricks datadog dell deepmind docker dropbox ebay elastic \
    elasticsearch ericsson example facebook fastly free github gitlab google hashicorp heroku hp huawei ibm \
    initech intel jetbrains joyent linux linkedin meta microsoft mistral mongodb mozilla netflix nokia npm nvidia \
    openai oracle palantir paypal pivotal python qualcomm red redhat salesforce samsung sap sentry shopify \
    siemens slack snowflake software sony spotify stripe sun tencent tesla the twilio twitter uber vercel \
    vmware xerox yahoo yandex zoom",
);

/// Words of programs that occur in the position of a company name.
pub(crate) static CODE_WORDS: WordList = WordList::new(
    "\
    a add admin all an any api app apps array async auth base boolean build bundle cache case class client \
    code common component components config connection const context controller copyright core create custom \
    customer data date default delete demo detail details dir dist docs edit email entity entry enum env error \
    event examples exception export false feature features field file find fix foo for from function get guide \
    handler helper helpers home hooks http https id if import in index init int interface internal is item items \
    js json key lib list local log login main manager map media method mock model models module modules my name \
    new no node none not note null number object of on option optional options or order override page pages \
    params parent part patch path plugin portal post private profile promise props provider public query react \
    record ref remote remove request response rest result return root route router routes run schema script sdk \
    secret section see select self server service services session set settings shared side sort src start state \
    static status step store string style styles support table test tests that then this title to todo token true \
    type types ui undefined uninstall update url use user users util utils value version view views void web when \
    where with work your",
);

/// Words after `@` or in `TODO(…)` that are not an account: decorators, scopes, tags.
pub(crate) static CODE_HANDLES: WordList = WordList::new(
    "\
    abstract angular apply author autowired babel bean before bug builtin cached channel charset claude click \
    codex compat computed copilot cleanup container controller debug decorator dependabot deprecated directive \
    docs doc example everyone experimental extend feature fixture fontface font-face given github gemini here hotfix \
    import imports include inject injectable input issue jest keyframes latest layer legacy mark media mixin \
    module next nightly nonnull nullable nullsafe openai output overload override param parametrize params patch perf performance \
    property propertywrapper pytest ratelimit react refactor renovate requestmapping require returns rust safe \
    security selector skip something sharedstate spec staticmethod classmethod storybook supports suppresswarnings swift \
    tailwind tanstack team testing throws todo transactional types typing unittest unsafe usedoptionally usage use vite \
    vue warning wraps windows linux macos release beta alpha",
);

/// Schemes of servers that belong to somebody, as opposed to public sites.
pub(crate) static SERVER_SCHEMES: WordList = WordList::new(
    "\
    postgres postgresql mysql mariadb mongodb srv redis rediss amqp amqps mssql sqlserver clickhouse \
    cockroachdb oracle kafka nats mqtt mqtts smtp smtps imap imaps ldap ldaps ftp sftp ssh couchdb neo4j \
    bolt snowflake redshift psycopg psycopg2 asyncpg pymysql valkey memcached elasticsearch",
);

/// Beginnings of references to a value that is stored elsewhere: environment, secret stores, fields of objects.
pub(crate) static REFERENCE_STARTS: WordList = WordList::new(
    "\
    process.env os.environ os.getenv getenv import.meta std::env env. secrets. config. settings. vault: \
    op:// arn: file: self. this. args. options. params. req. request. ctx. props. state. data. user.",
);
